"""What is on and what is off is listed when a run begins, from the config itself."""

from dataclasses import dataclass, field

from orchestrator.budget.pacer import PacingConfig
from orchestrator.budget.proactive import BudgetConfig
from orchestrator.config import TraderConfig
from runtime.components import component_line, components
from tests.makerlab.command import SHORT, makerlab


@dataclass(frozen=True)
class Inner:
    number: int = 1


@dataclass(frozen=True)
class Middle:
    here: Inner = field(default_factory=Inner)
    gone: Inner | None = None
    size: float | None = None


@dataclass(frozen=True)
class Whole:
    middle: Middle = field(default_factory=Middle)
    maybe: Inner | None = field(default_factory=Inner)
    name: str = "x"


def test_tables_are_components_and_none_is_off():
    """A number that is off is no machine that is off."""
    assert components(Whole()) == {"middle": True, "middle.here": True, "middle.gone": False, "maybe": True}
    assert component_line(Whole()) == "on: middle.here, maybe; off: middle.gone"
    assert component_line(Inner()) == "on: nothing; off: nothing"


def test_a_switch_stands_there_itself_and_not_by_its_parts_alone():
    """The pace is on although its purse is off: a reader of the line has to see both."""
    line = component_line(TraderConfig(budget=BudgetConfig(pacing=PacingConfig(impulse=None))))
    on, _, off = line.partition("; off: ")
    assert "budget.pacing" in on.removeprefix("on: ").split(", ")
    assert "budget.pacing.impulse" in off.split(", ")


def test_every_machine_of_the_trader_is_listed():
    """Protects the list from forgetting one: each table of the trader's config is there."""
    assert {"feeds", "requests", "resync", "shutdown", "desk.engine", "desk.tracker"} <= set(components(TraderConfig()))


def test_a_run_begins_with_the_list(tmp_path):
    """For people, on stderr; stdout is the result's."""
    code, out, err = makerlab("run", "eth-quiet", *SHORT, cwd=tmp_path)
    first = err.splitlines()[0]
    assert (code, first.startswith("eth-quiet: trader on: desk.engine.quote, ")) == (0, True)
    assert "; off: " in first
    assert first not in out
