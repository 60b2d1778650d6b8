"""Results as JUnit XML, which every CI service can show: a suite per scenario, a case per expectation."""

from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from makerlab.figures import bound_of, measured_of
from scenarios.result import RunResult


def write_junit(results: list[RunResult], path: Path) -> None:
    """Write the expectations of all runs."""
    failures = sum(not outcome.holds for result in results for outcome in result.expectations)
    root = Element(
        "testsuites",
        name="makerlab",
        tests=str(sum(len(result.expectations) for result in results)),
        failures=str(failures),
        errors="0",
        time=f"{sum(result.wall.run_s for result in results):.3f}",
    )
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
            case.set("time", f"{result.wall.run_s / len(result.expectations):.3f}")
            if not outcome.holds:
                message = f"wanted {bound_of(outcome)}, measured {measured_of(outcome)}"
                failure = SubElement(case, "failure", message=message)
                failure.text = _details(outcome.name, result)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _details(name: str, result: RunResult) -> str:
    """What helps to understand a failure: what was found, and how to run it again."""
    lines = []
    if name == "ended" and result.reason:
        lines.append(f"{result.ended}: {result.reason}")
    if name == "invariants":
        lines += [f"{v.name} at {v.t_s:.6f} s: {v.text}\n{v.story}".strip() for v in result.violations]
    overrides = "".join(f" --set {override}" for override in result.overrides)
    lines.append(f"makerlab run {result.scenario} --seed {result.seed}{overrides}")
    return "\n\n".join(lines)
