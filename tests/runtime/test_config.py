"""Configs from files: layers, units, and every mistake in one go."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Len
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.units import Ns, Usd
from exchange_adapters.base import Capabilities
from orchestrator.config import TraderConfig
from runtime.config import PROFILES, Tree, build, load, override, parse, read, resolved
from runtime.config_schema import schema
from runtime.config_types import is_table, quantity_of
from runtime.virtual import DriverConfig


class Mode(StrEnum):
    CALM = "calm"
    WILD = "wild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    ms: Annotated[float, Ge(0)]
    kind: Literal["constant"] = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    median_ms: Annotated[float, Gt(0)]
    sigma: Annotated[float, Gt(0)] | None = 0.5
    kind: Literal["spread"] = "spread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One desk."""

    gamma: Annotated[float, Gt(0)] = 0.1
    """Risk aversion."""
    levels: Annotated[int, Ge(1)] = 3
    mode: Mode = Mode.CALM
    patience: Annotated[Ns, Gt(0)] = Ns(5)
    cash: Usd = Usd(0)
    limit: Annotated[Ns, Ge(0)] | None = Ns(7)
    pair: tuple[int, int] = (1, 2)

    def __post_init__(self):
        if self.levels > 5 and self.mode is Mode.CALM:
            raise ValueError("more than 5 levels need mode wild")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    name: str = "run"
    is_fast: bool = False
    desk: Desk = field(default_factory=Desk)
    desks: Annotated[tuple[Desk, ...], Len(0, 3)] = ()
    by_name: dict[str, Desk] = field(default_factory=dict)
    latency: Constant | Spread = Constant(ms=1.0)
    instrument: Instrument | None = None


def problems(kind, text, *overrides):
    with pytest.raises(ConfigError) as caught:
        build(kind, Tree(parse(text, "x.toml")) | override(overrides))
    return str(caught.value).splitlines()


# --- mistakes -----------------------------------------------------------------------------------


def test_five_mistakes_are_five_lines():
    """Protects the user: one look at the file is enough, whatever is wrong with it."""
    text = """
        names = "x"
        is_fast = 1
        [desk]
        gamma = "high"
        [[desks]]
        levels = 0
        [[desks]]
        mode = "angry"
    """
    assert problems(Run, text) == [
        'desk.gamma: found "high", want a number',
        "desks[0].levels: found 0, want >= 1",
        "desks[1].mode: found \"angry\", want 'calm' or 'wild'",
        "is_fast: found 1, want true or false",
        'names: found "x", want a key of this table (did you mean name?)',
    ]


MISTAKES = [
    ("desk = 3", "desk: found 3, want a table"),
    ("desks = 3", "desks: found 3, want a list"),
    ("desks = [{},{},{},{}]", "desks: found [{}, {}, {}, {}], want at most 3 entries"),
    ("desk.pair = [1]", "desk.pair[1]: found nothing, want a value"),
    ("name = 5", "name: found 5, want a text"),
    ("desk.levels = 2.5", "desk.levels: found 2.5, want a whole number"),
    ("desk.levels = true", "desk.levels: found true, want a whole number"),
    ("desk.gamma = inf", "desk.gamma: found Infinity, want a finite number"),
    ("desk.gamma = 1979-05-27", 'desk.gamma: found "1979-05-27", want a number'),
    ("desk.zzz = 1", "desk.zzz: found 1, want a key of this table (gamma, levels, mode, patience, cash, limit, pair)"),
    ("desk.patience = '5'", 'desk.patience: found "5", want a whole number or a text such as "500 ms"'),
    ("desk.patience = '0.5 ns'", 'desk.patience: found "0.5 ns", want a whole number or a text such as "500 ms"'),
    ("desk.patience = '0 ms'", 'desk.patience: found "0 ms", want > 0'),
    ("desk.patience = 'off'", 'desk.patience: found "off", want a whole number or a text such as "500 ms"'),
    ("desk.cash = '5 EUR'", 'desk.cash: found "5 EUR", want a whole number or a text such as "25 USD"'),
    ("desk.levels = 9", 'desk: found {"levels": 9}, want values that fit together: more than 5 levels need mode wild'),
    ("by_name.a.levels = 0", "by_name.a.levels: found 0, want >= 1"),
    ("latency.kind = 'gamma'", 'latency.kind: found "gamma", want "constant" or "spread"'),
    ("latency = {mz = 3}", 'latency.kind: found nothing, want "constant" or "spread"'),
    ("latency = {ms = 3}", 'latency.kind: found nothing, want "constant" or "spread"'),
    ("latency = {kind = 'spread'}", "latency.median_ms: found nothing, want a value"),
    (
        "latency = {kind = 'constant', ms = 1, sigma = 2}",
        "latency.sigma: found 2, want a key of this table (ms, kind)",
    ),
    ("latency = 3", "latency: found 3, want a table"),
    ("instrument = {id = 'X'}", "instrument.sz_decimals: found nothing, want a value"),
    (
        "instrument = {id='X', sz_decimals=9}",
        """instrument: found {"id": "X", "sz_decimals": 9}, \
want values that fit together: sz_decimals must be within 0..6, found 9""",
    ),
]


@pytest.mark.parametrize(("text", "line"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_said_as_path_found_want(text, line):
    """Protects the one form in which a user meets every mistake."""
    assert problems(Run, text) == [line]


def test_a_syntax_error_says_where():
    """Protects the user from a message without a place."""
    [line] = problems(Run, "a = [1\nb = 3")
    assert line == "x.toml: found Unclosed array (at line 2, column 1), want valid TOML"


# --- what a file can say ------------------------------------------------------------------------


def test_units_and_off():
    """Protects the rule for units: typed quantities by text or whole number, None by the word off."""
    text = """
        latency = {kind = "spread", median_ms = 3, sigma = "off"}
        instrument = {id = "ETH", sz_decimals = 4, min_notional = "10 USD"}
        [desk]
        patience = "1.5 ms"
        cash = "-2.5 USD"
        limit = "off"
        pair = [3, 4]
        [[desks]]
        patience = "2min"
        limit = 500
    """
    run = build(Run, parse(text, "x.toml"))
    assert run.desk == Desk(patience=Ns(1_500_000), cash=Usd(-2_500_000), limit=None, pair=(3, 4))
    assert run.desks == (Desk(patience=Ns(120_000_000_000), limit=Ns(500)),)
    assert run.latency == Spread(median_ms=3.0, sigma=None)
    assert run.instrument == Instrument(id="ETH", sz_decimals=4)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["ns", "us", "ms", "s", "min", "h"]))
def test_a_quantity_is_exact(number, unit):
    """Protects against binary fractions: what is written is what is meant, to the nanosecond."""
    worth = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9}[unit]
    quantity = quantity_of(Annotated[Ns, Ge(0)] | None)
    assert quantity.read(f"{number} {unit}") == number * worth
    digits = f"{abs(number):04d}"
    read = quantity.read(f"{digits[:-3]}.{digits[-3:]}{unit}")
    assert read == (abs(number) * worth // 1_000 if abs(number) * worth % 1_000 == 0 else None)


configs = st.builds(
    Run,
    name=st.text(),
    desk=st.builds(
        Desk,
        gamma=st.floats(min_value=0, max_value=1e18, exclude_min=True),
        mode=st.just(Mode.WILD),
        limit=st.none() | st.integers(0, 10**18),
    ),
    latency=st.builds(Constant, ms=st.floats(0, 1e9)) | st.builds(Spread, median_ms=st.floats(0.1, 9), sigma=st.none()),
    instrument=st.none() | st.builds(Instrument, id=st.text(), sz_decimals=st.integers(0, 6)),
)


@given(configs)
def test_resolved_comes_back(config):
    """Protects replay: the config in a journal's header is the config, exactly, through JSON too."""
    plain = resolved(config)
    assert build(Run, plain) == config
    assert build(Run, json.loads(json.dumps(plain))) == config
    assert set(plain) == {"name", "is_fast", "desk", "desks", "by_name", "latency", "instrument"}


@pytest.mark.parametrize("kind", [TraderConfig, DriverConfig])
def test_the_configs_of_the_house_come_back(kind):
    """Protects every component's config from a type that the edge cannot read."""
    assert build(kind, resolved(kind())) == kind() == build(kind, {})


# --- layers -------------------------------------------------------------------------------------


def test_layers(tmp_path):
    """Protects the order: what is extended, the file, the command line; tables merge, everything else is replaced."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.toml").write_text('name = "base"\ndesk = {gamma = 1.0, levels = 2}\ndesks = [{}, {}]\n')
    (tmp_path / "second.toml").write_text("desk.gamma = 2.0\n")
    (tmp_path / "run.toml").write_text(
        'extends = ["deep/base.toml", "second.toml"]\n'
        'desks = [{levels = 4}]\nlatency = {kind = "spread", median_ms = 2}'
    )
    (tmp_path / "last.json").write_text('{"desk": {"pair": [5, 6]}}')
    run = load(
        Run,
        tmp_path / "run.toml",
        tmp_path / "last.json",
        overrides=["desk.mode=wild", "desk.levels=7", 'latency={kind="constant", ms=4}', "by_name.a.gamma=3"],
    )
    assert run == Run(
        name="base",
        desk=Desk(gamma=2.0, levels=7, mode=Mode.WILD, pair=(5, 6)),
        desks=(Desk(levels=4),),
        by_name={"a": Desk(gamma=3.0)},
        latency=Constant(ms=4.0),
    )


def test_a_problem_says_which_file_it_came_from(tmp_path):
    """Protects the search: with several layers, the path alone is not enough."""
    (tmp_path / "base.toml").write_text("desk.gamma = 0\ndesk.levels = 0\n[[desks]]\nlevels = 0\n")
    (tmp_path / "run.toml").write_text('extends = "base.toml"\ndesk.levels = -1\n')
    with pytest.raises(ConfigError) as caught:
        load(Run, tmp_path / "run.toml", overrides=["name=3"])
    assert str(caught.value).splitlines() == [
        "base.toml: desk.gamma: found 0, want > 0",
        "run.toml: desk.levels: found -1, want >= 1",
        "base.toml: desks[0].levels: found 0, want >= 1",
        "--set: name: found 3, want a text",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "missing.toml"', "missing.toml: found No such file or directory, want a readable TOML file"),
        ('extends = "self.toml"', "want no circle"),
        ("extends = 3", "extends: found 3, want a file or profile, or a list of them"),
        ('extends = "stabl"', 'extends: found "stabl", want a .toml file or a profile (did you mean stable?)'),
    ],
)
def test_extends_that_leads_nowhere(tmp_path, text, says):
    """Protects the user: the file that names the wrong thing is named."""
    path = tmp_path / "self.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["a b=1", "x", "desk.gamma=", "=3", "desk.gamma=1.2.3"])
def test_a_wrong_override_is_shown(text):
    """Protects the command line."""
    with pytest.raises(ConfigError, match=r"--set: found .*, want key.key=value"):
        override([text])


def test_other_unreadable_files(tmp_path):
    """Protects the edge: bytes, JSON, folders."""
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "folder.toml").mkdir()
    for name, says in (
        ("bytes.toml", "not UTF-8"),
        ("list.json", "want an object"),
        ("broken.json", "want valid JSON"),
        ("folder.toml", "directory"),
    ):
        with pytest.raises(ConfigError, match=says):
            read(tmp_path / name)


# --- profiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES.names())
def test_shipped_profiles_are_read_and_fit(name):
    """Protects the shipped profiles: the table ``driver`` fits the driver, everything else the trader."""
    profile = read(name).data
    build(DriverConfig, profile.pop("driver", {}))
    build(TraderConfig, profile)


def test_profiles_are_part_of_the_package(tmp_path):
    """Protects an installation from a wheel: profiles come from the package, not from the working folder."""
    root = Path(__file__).parents[2]
    for room in ("runtime", "domain"):
        shutil.copytree(root / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import runtime.config as c; print(c.PROFILES.names(), c.read('stable').data)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{PROFILES.names()} {read('stable').data}\n"


# --- schema -------------------------------------------------------------------------------------


def test_the_schema_says_what_the_edge_accepts():
    """Protects editors: descriptions, bounds, no unknown keys, units and off as text, extends."""
    whole = schema(Run)
    desk = whole["$defs"]["Desk"]
    assert whole["additionalProperties"] is desk["additionalProperties"] is False
    assert desk["properties"]["gamma"] == {
        "default": 0.1,
        "description": "Risk aversion.",
        "exclusiveMinimum": 0,
        "title": "Gamma",
        "type": "number",
    }
    limit = desk["properties"]["limit"]
    assert limit["default"] == 7
    assert {"const": "off"} in limit["anyOf"]
    assert any("ms" in option.get("pattern", "") for option in limit["anyOf"])
    assert "extends" in whole["properties"]
    assert json.dumps(whole)


SAMPLES = [
    ({"desk": {"patience": "5 ms", "limit": "off"}, "extends": "stable"}, True),
    ({"latency": {"kind": "spread", "median_ms": 2}}, True),
    ({"latency": {"ms": 2}}, False),
    ({"desk": {"patience": "5 parsecs"}}, False),
    ({"desk": {"gama": 1}}, False),
    ({"desk": {"levels": 0}}, False),
]


@pytest.mark.parametrize(("data", "is_valid"), SAMPLES)
def test_a_checker_agrees_with_the_edge(data, is_valid):
    """Protects users of an editor: what it underlines is what makerlab refuses."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema(Run))
    assert validator.is_valid(data) is is_valid
    rest = {key: value for key, value in data.items() if key != "extends"}
    if is_valid:
        build(Run, rest)
    else:
        with pytest.raises(ConfigError):
            build(Run, rest)


def test_tables():
    """Protects what counts as a table of named fields."""
    assert is_table(Desk)
    assert is_table(Instrument)
    assert is_table(Capabilities)
    assert not is_table(Mode)
    assert not is_table(dict)
