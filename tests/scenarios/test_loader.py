"""Scenario files: what is wrong is named, all of it; names, layers and the schema are what they say."""

import json
import shlex
import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files

import jsonschema
import pytest

from domain.errors import ConfigError
from scenarios.loader import SCHEMA_LINE, library, load, schema_text
from sim.faults import FAULTS
from sim.latency import Constant

FIVE_MISTAKES = """
name = "bad"
duration_s = -5
colour = "red"
[market]
profile = "eth-quite"
[venue]
block_ms = "often"
[[faults]]
kind = "earthquake"
"""


def problems_of(path, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(str(path), overrides)
    return [str(problem) for problem in caught.value.problems]


def test_five_mistakes_are_five_lines_with_their_paths(tmp_path):
    """A person mends a file once, not five times."""
    path = tmp_path / "bad.toml"
    path.write_text(FIVE_MISTAKES)
    lines = problems_of(path)
    assert len(lines) == 5
    for where, what in {
        "colour": '"red"',
        "duration_s": "-5",
        "market.profile": '"eth-quite"',
        "venue.block_ms": '"often"',
        "faults[0].kind": '"earthquake"',
    }.items():
        assert any(f"{where}: found {what}, want " in line for line in lines), (where, lines)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("duration_s = 1\n[market]\nprofile = 'eth-quiet'", "name: found nothing"),
        ("name = 'x'\n[market]\nprofile = 'eth-quiet'", "duration_s: found nothing"),
        ("name = 'x'\nduration_s = 1\n[market]", "market: found neither"),
        ("name = 'x'\nduration_s = 1\n[market]\nprofile = 'eth-quiet'\nrecording = 'ETH_1'", "market: found both"),
        ("name = 'x'\nduration_s = 1", "market: found nothing"),
        (
            "name = 'x'\nduration_s = 1\n[market]\nrecording = 'E_1'\nflow.sigma_bps = 1",
            "market.flow.sigma_bps: found 1",
        ),
        ("name = 'x'\nduration_s = 1\n[market]\nprofile = 'eth-quiet'\n[trader]\nprofile = 'none'", "trader.profile"),
        ("name = 'x'\nduration_s = 1\n[market]\nprofile = 'eth-quiet'\n[expect]\nfill_min = 3", "expect.fill_min"),
        ("extends = 'eth-quit'", "extends: found"),
        ("name = ", "found "),
        (f"name = 'x'\nduration_s = {'9' * 5_000}\n[market]\nprofile = 'eth-quiet'", "valid TOML"),
        (f"name = {'[' * 5_000}", "valid TOML"),
        (f"name = 'x'\nduration_s = 1\nvenue.cash = {10**19}\n[market]\nprofile = 'eth-quiet'", "venue.cash: found"),
        ("name = 2026-01-01\nduration_s = 1\n[market]\nprofile = 'eth-quiet'", "name: found"),
        ("extends = 'eth-quiet'\n[[market.more]]\nprofile = 'eth-quiet'\ninstrument.name = 'ETH'", "instrument.name"),
        *(
            (f"extends = 'eth-quiet'\nmarket.instrument.name = '{name}'", f'market.instrument.name: found "{name}"')
            for name in ("PURR/USDC", "..", "a:b", " ETH")
        ),
        *((f"extends = 'eth-quiet'\nname = '{name}'", "name: found") for name in ("a/b", "..", " ", "x" * 300)),
        *((f'extends = "eth-quiet"\nname = "{name}"', "name: found") for name in ("a\\nb", "a\\u0000", "a\\u001b[1m")),
    ],
)
def test_a_mistake_is_named(tmp_path, text, where):
    """One case for each kind of mistake that no type catches, and some that one does."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    lines = problems_of(path)
    assert any(where in line for line in lines), lines


@pytest.mark.parametrize(
    ("name", "override", "path"),
    [
        ("eth-recorded", "market.flow.sigma_bps=3", "market.flow.sigma_bps"),
        ("eth-recorded", "market.instrument.name=BTC", "market.instrument.name"),
        ("eth-recorded", "venue.discipline=lifo", "venue.discipline"),
        ("eth-recorded", "venue.limits.book_levels=5", "venue.limits.book_levels"),
        ("eth-recorded", "links.market_data.jitter_ms=5", "links.market_data.jitter_ms"),
        ("hl-btc-l4", "duration_s=5", "duration_s"),
        ("hl-btc-l4", "trader.desk.engine.max_kappa=5", "trader.desk.engine.max_kappa"),
        ("hl-btc-l4", "market.replay.extra_latency_ms=5", "market.replay.extra_latency_ms"),
        ("hl-btc-l4", "venue.maker_fee_pct=0.1", "venue.maker_fee_pct"),
        ("hl-btc-l4", "expect.fills_min=1", "expect.fills_min"),
        ("eth-quiet", "market.sz_decimals=1", "market.sz_decimals"),
        ("eth-quiet", "market.replay.extra_latency_ms=5", "market.replay.extra_latency_ms"),
    ],
)
def test_a_key_without_effect_is_named(name, override, path):
    """A study that turns a key which its world does not read would compare a run with itself."""
    (line,) = problems_of(name, override)
    assert f"{path}: found" in line
    assert "no such key: it has no effect with market." in line


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("eth-recorded", "market.sz_decimals=4"),
        ("eth-recorded", "venue.maker_fee_pct=0.1"),
        ("eth-recorded", "links.reply.jitter_ms=6"),
        ("hl-btc-l4", "venue.class_order=cancels_first"),
    ],
)
def test_a_key_with_effect_is_not_refused(name, override):
    """What a recorded world does read may be turned."""
    assert load(name, [override]) != load(name)


def test_a_fault_after_the_end_is_named(tmp_path):
    """A scenario that ends before its fault would hold without having met it."""
    path = tmp_path / "mine.toml"
    fault = "[[faults]]\nkind = 'disconnect'\nat_s = {}\n"
    path.write_text("extends = 'eth-quiet'\n" + "".join(fault.format(at) for at in (60, 150, 240)))
    assert problems_of(path, "duration_s=150") == [
        f"{path}: faults[{i}].at_s: found {at}, want a start before the end of the run at 150 s, or no such fault"
        for i, at in ((1, 150), (2, 240))
    ]
    assert load(str(path), ["duration_s=241"]).duration_s == 241


def test_a_run_too_short_to_see_who_does_not_heal_is_named(tmp_path):
    """Whoever stays away from the end of the fault on would still keep a bound that is longer than the rest."""
    path = tmp_path / "mine.toml"
    faults = "[[faults]]\nkind = 'disconnect'\nat_s = {}\nduration_s = 20\n"
    expect = "[expect]\nhealed_after_s_max = 30\n"
    path.write_text("extends = 'eth-quiet'\n" + "".join(faults.format(at) for at in (40, 100)) + expect)
    why = "120 s until the last fault is over, 30 to heal (expect.healed_after_s_max), 5 to see it"
    assert problems_of(path, "duration_s=154") == [f"{path}: duration_s: found 154, want at least 155: {why}"]
    assert load(str(path), ["duration_s=155"]).duration_s == 155
    assert load(str(path), ["duration_s=154", "expect.healed_after_s_max=off"]).duration_s == 154


def test_a_limit_below_one_lot_is_named():
    """Nothing could be quoted: the run would be empty and nothing would say why."""
    engine = ("trader.desk.engine.max_position_usd=2999", "trader.desk.engine.level_notional_usd=3000")
    (line,) = problems_of("eth-quiet", "market.instrument.sz_decimals=0", *engine)
    assert "trader.desk.engine.max_position_usd: found 2999, want at least one lot: 3000 USD of ETH" in line
    load(
        "eth-quiet",
        [
            "market.instrument.sz_decimals=0",
            "trader.desk.engine.max_position_usd=3001",
            "trader.desk.engine.level_notional_usd=3001",
        ],
    )


def test_links_are_laid_over_the_usual_ones():
    """Whoever turns one number of one link need not repeat the rest."""
    usual, links = load("eth-quiet").links, load("eth-quiet", ["links.order_rest.latency.median_ms=90"]).links
    assert links.order_rest == replace(usual.order_rest, latency=replace(usual.order_rest.latency, median_ms=90.0))
    assert replace(links, order_rest=usual.order_rest) == usual
    constant = load("eth-quiet", ["links.reply.latency={kind='constant', ms=5}"]).links
    assert constant.reply == replace(usual.reply, latency=Constant(ms=5.0))


def test_wrong_overrides_are_named_beside_the_mistakes_of_the_file(tmp_path):
    """A call is mended once, too: every --set that cannot be read, and what is wrong with the file below them."""
    path = tmp_path / "bad.toml"
    path.write_text("")
    lines = problems_of(path, "a", "", "#", "name = 'x'\nduration_s = 1", "duration_s=soon")
    assert [line for line in lines if "key.key=value" in line] == [
        f"--set: found {json.dumps(text)}, want key.key=value with a TOML value"
        for text in ("a", "", "#", "name = 'x'\nduration_s = 1")
    ]
    assert any("market: found nothing" in line for line in lines)


def test_a_mark_at_the_beginning_of_a_file_is_no_mistake(tmp_path):
    """Some editors begin a text with the bytes EF BB BF."""
    path = tmp_path / "mine.toml"
    path.write_text("extends = 'eth-quiet'", encoding="utf-8-sig")
    assert load(str(path)).name == "eth-quiet"


def test_a_level_below_one_lot_is_named():
    """Protects against a trader that can never quote: a level of less than a lot is no order."""
    (line,) = problems_of("eth-quiet", "market.instrument.sz_decimals=0", "trader.desk.engine.level_notional_usd=2999")
    assert "trader.desk.engine.level_notional_usd: found 2999, want at least one lot: 3000 USD of ETH" in line


@pytest.mark.parametrize(("debounce", "named"), [(5_000, ""), (5_001, "fallback_ms"), (8_000, "fallback_ms")])
def test_a_debounce_leaves_room_for_what_it_holds_up(debounce, named):
    """Protects the fallback and the alarm of stale quotes: neither can be kept by cycles that are further apart."""
    text = f"trader.desk.accumulator.debounce_ms={debounce}"
    if not named:
        load("eth-quiet", [text])
        return
    (line,) = problems_of("eth-quiet", text)
    assert f"accumulator.debounce_ms: found {debounce}, want at most" in line
    assert line.endswith(f"{named} (5000)")
    (line,) = problems_of(
        "eth-quiet", text, "trader.desk.accumulator.fallback_ms=9000", "trader.desk.accumulator.stale_quotes_ms=4000"
    )
    assert line.endswith("stale_quotes_ms (4000)")


WITH_INSTRUMENTS = [fault().kind for fault in FAULTS if hasattr(fault(), "instruments")]


@pytest.mark.parametrize("kind", WITH_INSTRUMENTS)
def test_a_fault_of_an_instrument_that_is_not_there_is_named(kind):
    """Protects against a fault that is counted and hits nobody, or stops the run with a KeyError."""
    assert load("eth-quiet", [f'faults=[{{kind="{kind}",instruments=["ETH"]}}]']).faults[0].instruments == ("ETH",)
    assert problems_of("eth-quiet", f'faults=[{{kind="{kind}",instruments=["ETH","XYZ"]}}]') == [
        'eth-quiet: faults[0].instruments: found "XYZ", want an instrument of this scenario (ETH)'
    ]


def test_there_are_faults_of_single_instruments():
    """Protects the test above from a list that is empty."""
    assert len(WITH_INSTRUMENTS) >= 9


NEED_A_CROWD = {
    "cancel_only",
    "cancel_race",
    "delist",
    "fill_before_ack",
    "halt",
    "post_only_mode",
    "price_shock",
    "venue_down",
}


@pytest.mark.parametrize("kind", [fault().kind for fault in FAULTS])
def test_a_recorded_market_has_no_fault_that_needs_a_crowd(kind):
    """Protects runs over records from faults that are counted while the market goes on as it was recorded."""
    fault = f'faults=[{{kind="{kind}"}}]'
    if kind not in NEED_A_CROWD:
        assert load("eth-recorded", [fault]).faults[0].kind == kind
        return
    want = "a fault that needs no crowd: over a recording nobody else trades"
    assert problems_of("eth-recorded", fault) == [f'eth-recorded: faults[0].kind: found "{kind}", want {want}']


@pytest.mark.parametrize(
    ("kind", "requests", "wanted"),
    [
        ("cancel_race", "query", "'cancel' or 'modify'"),
        ("cancel_race", "place", "'cancel' or 'modify'"),
        ("fill_before_ack", "query", "'place' or 'modify'"),
        ("fill_before_ack", "cancel", "'place' or 'modify'"),
        ("success_although_not_applied", "query", "'place', 'cancel' or 'modify'"),
    ],
)
def test_requests_that_a_fault_leaves_alone_are_named(kind, requests, wanted):
    """Protects against a fault that could never strike, and a run that looks as if it had survived it."""
    assert problems_of("eth-quiet", f'faults=[{{kind="{kind}",requests=["{requests}"]}}]') == [
        f'--set: faults[0].requests[0]: found "{requests}", want {wanted}'
    ]


def test_the_keys_of_a_fault_are_its_fields():
    """Protects messages from offering what would be refused: what belongs to the type is no key."""
    (line,) = problems_of("eth-quiet", 'faults=[{kind="disconnect", zzz=1}]')
    assert line.endswith(
        "faults[0].zzz: found 1, want a key of this table "
        "(kind, at_s, duration_s, when, feeds, notice_ms, requests_land, together)"
    )
    (line,) = problems_of("eth-quiet", 'faults=[{kind="disconnect", ranges={}}]')
    assert "faults[0].ranges: found {}, want a key of this table" in line


def test_unknown_names_suggest_what_was_meant():
    """A typo costs a second; of a long list only what was meant is named, or where to read it if nothing is near."""
    (line,) = problems_of("eth-quiet", 'faults=[{kind="latencyspike"}]')
    assert line.endswith(f"want one of {len(FAULTS)} (did you mean latency_spike?)")
    (line,) = problems_of("eth-quiet", 'faults=[{kind="earthquake"}]')
    assert line.endswith(f"want one of {len(FAULTS)}, listed by `makerlab schema`")
    (line,) = problems_of("eth-quiet", "faults=[{at_s=5, ms=9}]")
    assert line.endswith(f"faults[0].kind: found nothing, want one of {len(FAULTS)}, listed by `makerlab schema`")
    assert "did you mean eth-quiet?" in problems_of("eth-quiett")[0]


def test_extends_of_itself_is_refused(tmp_path):
    """A circle must not hang."""
    path = tmp_path / "a.toml"
    path.write_text("extends = 'a.toml'")
    assert "no circle" in problems_of(path)[0]


MISTAKES_BESIDE = """
colour = "red"
covers = ["the-fall-of-rome"]
probes = ["kill", "leaks", "kill", "stay"]
[venue]
block_ms = "often"
[trader.desk.engine]
max_position_us = 5
[checks]
despite = ["reordder"]
[[faults]]
kind = "earthquake"
at_s = "soon"
"""
BESIDE = {
    "colour": '"red"',
    "covers[0]": '"the-fall-of-rome"',
    "probes[2]": '"kill"',
    "probes[3]": '"stay"',
    "venue.block_ms": '"often"',
    "trader.desk.engine.max_position_us": "5",
    "checks.despite[0]": '"reordder"',
    "faults[0].kind": '"earthquake"',
    "duration_s": '"long"',
}


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ('"eth-quit"', "did you mean eth-quiet?"),
        ('"nowhere.toml"', "No such file or directory"),
        ('"broken.toml"', "valid TOML"),
        ("5", "a file or scenario, or a list of them"),
        ('["eth-quiet", "eth-quit"]', "did you mean eth-quiet?"),
        ('"middle.toml"', "did you mean eth-quiet?"),
    ],
)
def test_a_wrong_base_hides_nothing_else(tmp_path, extends, says):
    """What can be said of a file without what it is laid over is said, and nothing that the base might make good."""
    (tmp_path / "broken.toml").write_text("name = ")
    (tmp_path / "middle.toml").write_text("extends = 'eth-quit'\nduration_s = 5\n")
    path = tmp_path / "bad.toml"
    path.write_text(f"extends = {extends}\n{MISTAKES_BESIDE}")
    first, *lines = problems_of(path, "duration_s=long")
    assert says in first
    for where, what in BESIDE.items():
        assert any(f"{where}: found {what}, want " in line for line in lines), (where, lines)
    assert len(lines) == len(BESIDE), lines


def test_a_wrong_base_alone_is_one_line(tmp_path):
    """Name, market, duration, the kind of a table and whatever a fault is missing may all stand in the base."""
    path = tmp_path / "bad.toml"
    path.write_text("""
extends = "eth-quit"
checks.despite = ["reorder"]
links.order_socket.latency.median_ms = 5
trader.feeds.backoff_ms = 1e6
[[market.more]]
profile = "eth-quiet"
instrument.name = "ETH"
""")
    (line,) = problems_of(path)
    assert "extends: found" in line


def test_overrides_of_a_scenario_that_is_not_there_are_read_too():
    """One look at the list mends the whole call."""
    lines = problems_of("eth-quit", "duration_s=soon", "colour=red", "x")
    wrong = [line.partition(": found")[0] for line in lines]
    assert wrong == ["scenario", "--set", "--set: colour", "--set: duration_s"]


def test_a_misspelt_kind_is_one_line_not_two(tmp_path):
    """What liveness is judged in spite of is not called unknown because the fault itself is misspelt."""
    path = tmp_path / "bad.toml"
    path.write_text("extends = 'eth-quiet'\nchecks.despite = ['reorder']\n[[faults]]\nkind = 'reordder'\n")
    (line,) = problems_of(path)
    assert "faults[0].kind" in line


@pytest.mark.parametrize(("lasts", "is_named"), [(79.9, True), (80.0, False), (1e6, False)])
def test_what_ends_does_not_stay(lasts, is_named):
    """Protects liveness from being judged in the time of a fault that only comes and goes."""
    fault = f'faults=[{{kind="reorder", at_s=40, duration_s={lasts}}}]'
    overrides = ("duration_s=120", fault, 'checks.despite=["reorder"]')
    if not is_named:
        assert load("eth-quiet", overrides).checks.despite == ("reorder",)
        return
    (line,) = problems_of("eth-quiet", *overrides)
    assert "faults[0].duration_s: found 79.9, want at least 80, to the end of the run" in line


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ("description=hello world", "'description=\"hello world\"'"),
        ("faults=[{kind=crash, at_s=5}]", "'faults=[{kind=\"crash\", at_s=5}]'"),
        ("probes=[kill, leaks]", '\'probes=["kill", "leaks"]\''),
    ],
)
def test_a_text_without_quotes_is_shown_with_them(given, quoted):
    """What is printed is what a shell takes."""
    (line,) = problems_of("eth-quiet", given)
    assert line.endswith(f"; a text stands in quotes: --set {quoted}")
    (assignment,) = shlex.split(quoted)
    assert not any("key.key=value" in line for line in problems_of("eth-quit", assignment))


def test_what_quotes_do_not_mend_has_no_hint():
    """A list that never ends is no text."""
    (line,) = problems_of("eth-quiet", "faults=[[")
    assert line.endswith("want key.key=value with a TOML value")


def numbers_in(node, path=""):
    """Every place of a schema at which a number may stand, but for figures that are told by their names."""
    if isinstance(node, dict):
        if node.get("type") in ("number", "integer"):
            yield path, node
        for key, below in node.items():
            if key not in ("additionalProperties", "default"):
                yield from numbers_in(below, f"{path}/{key}")
    elif isinstance(node, list):
        for i, below in enumerate(node):
            yield from numbers_in(below, f"{path}/{i}")


def test_every_number_has_a_largest_value():
    """What nobody can mean is a slip of the hand: named here, and in an editor, rather than simulated."""
    found = list(numbers_in(json.loads(schema_text())))
    assert len(found) > 400
    assert [path for path, node in found if not {"maximum", "exclusiveMaximum"} & node.keys()] == []


@pytest.mark.parametrize(
    ("override", "largest"),
    [
        ("trader.desk.engine.max_position_usd=1e17", 10**9),
        ("links.reply.latency.median_ms=1e12", 10**6),
        ("links.handshake_ms=1e12", 10**6),
        ("checks.heal_ms=1e12", 10**9),
        ("expect.fills_min=1_000_000_000_000", 10**9),
    ],
)
def test_an_absurd_value_is_named(override, largest):
    """With the bound that it breaks."""
    (line,) = problems_of("eth-quiet", override)
    assert line.endswith(f"want <= {largest}")


def test_layers(tmp_path):
    """What a file extends, the file, --set: later ones win, key by key."""
    path = tmp_path / "mine.toml"
    path.write_text('extends = "eth-quiet"\nname = "mine"\n[market]\nflow.sigma_bps = 3.0\n')
    scenario = load(str(path), ["duration_s=12", "market.flow.jumps=0.5"])
    assert (scenario.name, scenario.duration_s) == ("mine", 12)
    assert (scenario.market.flow.sigma_bps, scenario.market.flow.jumps) == (3.0, 0.5)
    assert scenario.market.flow.jump_bps == load("eth-quiet").market.flow.jump_bps


def test_a_profile_named_by_set_brings_its_own_flow():
    """--set market.profile takes another market, not another name for the same one."""
    assert load("eth-quiet", ["market.profile=eth-volatile"]).market.flow == load("eth-volatile").market.flow


@pytest.mark.parametrize("name", library())
def test_shipped_scenarios_are_sound(name):
    """Each loads, is called like its file, says what happens, and points editors to the schema."""
    scenario = load(name)
    assert scenario.name == name
    assert scenario.description.endswith(".")
    text = (files("scenarios") / "library" / f"{name}.toml").read_text(encoding="utf-8")
    assert text.splitlines()[0] == SCHEMA_LINE
    tomllib.loads(text)


@pytest.mark.parametrize("name", library())
def test_shipped_scenarios_fit_the_schema(name):
    """What an editor would underline is what the loader refuses, and nothing else."""
    text = (files("scenarios") / "library" / f"{name}.toml").read_text(encoding="utf-8")
    validator().validate(tomllib.loads(text))


@cache
def validator():
    """Of the whole schema, which itself is checked once: that takes a third of a second."""
    whole = json.loads(schema_text())
    kind = jsonschema.validators.validator_for(whole)
    kind.check_schema(whole)
    return kind(whole)


def test_the_schema_refuses_what_the_loader_refuses():
    """An unknown key, and a file that neither says nor extends what it needs."""
    for text in (FIVE_MISTAKES, 'name = "x"\nduration_s = 1'):
        with pytest.raises(jsonschema.ValidationError):
            validator().validate(tomllib.loads(text))


def test_the_required_scenarios_are_shipped():
    """Their names are part of the command line."""
    assert set(library()) >= {"eth-quiet", "eth-volatile", "cancel-fill-race", "gap-no-snapshot", "two-markets"}


def test_the_committed_schema_is_up_to_date():
    """`makerlab schema > scenarios/scenario.schema.json` was not forgotten."""
    committed = (files("scenarios") / "scenario.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text()
    assert json.loads(committed)["additionalProperties"] is False


# --- limits that cannot be meant together -------------------------------------------------------

CONTRADICTIONS = {
    "trader.budget.rate_limited.first_s": 100.0,
    "trader.budget.exhausted.first_s": 700.0,
    "trader.budget.pacing.modify_share": 0.5,
    "trader.budget.pacing.reserve": 0.4,
    "trader.budget.pacing.per_minute": 5_000,
    "trader.budget.pacing.impulse": {"start": 600.0, "most": 500.0, "reserve": 500.0},
    "trader.budget.pacing.horizon_s": 60.0,
    "trader.budget.share": 0.0001,
    "trader.desk.engine.smoother.regime": {"up": 1.2, "down": 0.9},
    "trader.desk.rejections.backoff_s": 500.0,
    "trader.desk.quota_aware.widest_below": 0.5,
    "trader.desk.quota_aware.best_only_below": 0.4,
    "trader.desk.reconcile.modify_interval_ms": 7_000.0,
    "trader.desk.reconcile.modify_first": {"interval_ms": 6_001.0, "max_price_bps": 2.0},
    "trader.desk.reconcile.tolerance.floor_bps": 11.0,
    "trader.desk.reconcile.tolerance.level_factors": [2.0, 1.0],
    "trader.desk.reconcile.tolerance.front_share": 0.6,
    "trader.desk.reconcile.tolerance.near_bonus": 0.7,
    "venue.limits.address.initial": 0,
    "venue.limits.open_orders.most": 0,
}
TWO_IN_ONE = ("trader.budget.pacing.impulse", "trader.desk.reconcile.modify_first")


def setting(path, value):
    if isinstance(value, dict):
        return f"{path} = {{ {', '.join(f'{key} = {each}' for key, each in value.items())} }}"
    return f"{path} = {value}"


@pytest.mark.parametrize("path", CONTRADICTIONS)
def test_limits_that_contradict_each_other_are_named(path):
    """Each by itself: the path of the setting, what was found and what it has to go with."""
    n = 2 if path in TWO_IN_ONE else 1
    lines = problems_of("churn-poor", setting(path, CONTRADICTIONS[path]).replace(" = ", "=", 1))
    assert len(lines) == n, lines
    assert all(path in line for line in lines), lines


def test_all_contradicting_limits_are_named_at_once(tmp_path):
    """A person mends them once."""
    path = tmp_path / "bad.toml"
    rows = "\n".join(setting(*each) for each in CONTRADICTIONS.items())
    path.write_text(f'extends = "churn-poor"\nname = "bad"\n{rows}\n')
    lines = problems_of(path)
    assert len(lines) == len(CONTRADICTIONS) + len(TWO_IN_ONE), lines
    assert all(any(where in line for line in lines) for where in CONTRADICTIONS)


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (("trader.budget.pacing.impulse.most=0.5", "trader.budget.pacing.impulse.start=0.5"), "impulse.reserve"),
        (
            ("trader.budget.pacing.impulse={start=0.5,most=0.5,reserve=0}",),
            "trader.budget.pacing.impulse.most",
        ),
        (
            (
                "trader.budget.pacing.place_share=0",
                "trader.budget.pacing.cancel_share=0.6",
                "trader.budget.pacing.lendable=0",
            ),
            "trader.budget.pacing.place_share",
        ),
    ],
)
def test_a_pace_by_which_nothing_would_ever_go_is_named(overrides, path):
    (line,) = problems_of("churn-poor", *overrides)
    assert path in line


@pytest.mark.parametrize(
    ("overrides", "is_refused"),
    [
        (("venue.limits.socket.messages=60", "trader.budget.pacing.per_minute=600"), True),
        (("venue.limits.socket.messages=60",), False),
        (("venue.limits.socket.messages=60", "trader.budget.pacing.per_minute=60"), False),
        (("venue.limits.socket.messages=5000", "trader.budget.pacing.per_minute=3000"), False),
        (("trader.budget.limits.socket.messages=5000", "trader.budget.pacing.per_minute=3000"), False),
        (
            (
                "trader.budget.limits.socket.messages=60",
                "venue.limits.socket.messages=5000",
                "trader.budget.pacing.per_minute=700",
            ),
            True,
        ),
    ],
)
def test_the_pace_goes_with_the_limits_that_the_trader_is_told(overrides, is_refused):
    """Those of its venue, unless its own settings name others; where nobody chose one theirs hold."""
    if not is_refused:
        load("churn-poor", overrides)
        return
    (line,) = problems_of("churn-poor", *overrides)
    assert "trader.budget.pacing.per_minute" in line
    assert "at most 60 (the venue's messages a minute)" in line


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (("venue.limits.socket.messages=1",), "venue.limits.socket.messages"),
        (("venue.limits.socket.messages=5",), "venue.limits.socket.messages"),
        (("venue.limits.socket.subscriptions=5",), "venue.limits.socket.subscriptions"),
        (("venue.limits.ip.weight=1",), "venue.limits.ip.weight"),
        (("trader.budget.limits.ip.weight=1",), "trader.budget.limits.ip.weight"),
        (("trader.budget.share=0.0006",), "trader.budget.share"),
        (("venue.limits.open_orders.initial=0",), "venue.limits.open_orders.initial"),
    ],
)
def test_limits_that_allow_nothing_are_named(overrides, path):
    """Quotes would wait for the whole of the run, and nobody would say what for."""
    (line,) = problems_of("eth-quiet", *overrides)
    assert f": {path}: found " in line, line


def test_limits_that_allow_little_are_taken():
    """What grows with the volume may begin with nothing."""
    load("eth-quiet", ["trader.budget.share=0.001"])
    load("eth-quiet", ["venue.limits.open_orders.initial=0", "venue.traded=5000000000000"])


def test_a_throttle_that_outlasts_every_alarm_is_named():
    """Ten times as long where nothing is left: quotes that stand an hour are no longer looked after."""
    (line,) = problems_of("churn-poor", "trader.desk.quota_aware.interval_s=3600")
    assert "trader.desk.quota_aware.interval_s" in line


def test_limits_that_go_together_are_taken():
    """The other way round: what the library says is no contradiction."""
    assert load("churn-poor").name == "churn-poor"
