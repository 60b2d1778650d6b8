"""Results as JUnit XML, which every CI service can show: a suite per scenario, a case per expectation."""

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from makerlab.figures import bound_of, measured_of
from scenarios.result import RunResult


def write_junit(results: list[RunResult], path: Path) -> None:
    """Write the expectations of all runs."""
    root = Element("testsuites", name="makerlab")
    for result in results:
        failed = sum(not outcome.holds for outcome in result.expectations)
        suite = SubElement(
            root,
            "testsuite",
            name=f"{result.scenario}-{result.seed}",
            tests=str(len(result.expectations)),
            failures=str(failed),
            errors="0",
            time=f"{result.wall.run_s:.3f}",
        )
        for outcome in result.expectations:
            case = SubElement(suite, "testcase", classname=f"{result.scenario}.{result.seed}", name=outcome.name)
            if not outcome.holds:
                message = f"wanted {bound_of(outcome)}, measured {measured_of(outcome)}"
                failure = SubElement(case, "failure", message=message)
                if outcome.name == "invariants":
                    failure.text = "\n\n".join(f"{v.name}: {v.text}\n{v.story}".strip() for v in result.violations)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
