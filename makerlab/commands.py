"""The table of commands: where each function lives. A test resolves every import string."""

from typing import NamedTuple


class CommandLine(NamedTuple):
    """One command: where its function is and what it does, in one line."""

    name: str
    target: str
    summary: str


COMMANDS = (
    CommandLine("run", "makerlab.run:run", "Run scenarios and check what they expect."),
    CommandLine("demo", "makerlab.demo:demo", "Make markets on an embedded synthetic market; writes a report."),
    CommandLine("scenarios", "makerlab.scenarios:list_scenarios", "List the built-in scenarios."),
    CommandLine("swarm", "makerlab.swarm:swarm", "Search for failures in worlds drawn from seeds."),
    CommandLine("shrink", "makerlab.shrink:shrink", "Make a failure of the swarm as small as it gets."),
    CommandLine("crashes", "makerlab.crashes:crashes", "Let the trader die at every point of a run, and come back."),
    CommandLine("replay", "makerlab.replay:replay", "Feed a journal to the trader again and compare every decision."),
    CommandLine("story", "makerlab.story:story", "List the orders of a journal, or tell the life of one."),
    CommandLine(
        "diagnose", "makerlab.diagnose:diagnose", "Ask a journal what went wrong with orders, quotes, position."
    ),
    CommandLine("compare", "makerlab.compare:compare", "Lay what two journals say of churn side by side."),
    CommandLine("ablate", "makerlab.ablate:ablate", "Switch each mechanism off; show the scenario that needs it."),
    CommandLine("mutants", "makerlab.mutants:mutants", "Plant bugs in trader and venue; show what finds each."),
    CommandLine(
        "study", "makerlab.study:study", "Ask a question of many runs: why quotes churn, what each layer carries."
    ),
    CommandLine("book", "makerlab.book:book", "Run a file of orders through the reference book."),
    CommandLine("schema", "makerlab.schema:schema", "Print the JSON schema of scenario files, for editors."),
)
