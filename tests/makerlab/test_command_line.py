"""The command line: what is printed where, what exit codes say, how it behaves among other tools."""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from xml.etree.ElementTree import parse

import pytest

from makerlab import run as run_module
from makerlab.__main__ import dispatch, overview
from makerlab.commands import COMMANDS
from makerlab.exit_codes import ExitCode, worst
from makerlab.figures import counted, sections
from makerlab.run import exit_code
from runtime.journal_format import MAGIC, Header, Opened, encode
from runtime.journal_reader import Reader
from scenarios.figures import HORIZONS_S, SPLIT_HORIZON_S, Markout, Pnl, TimelineRow, TraderFigures
from scenarios.loader import library, load
from scenarios.result import Ended, Metrics, Outcome, RunResult, Wall
from tests.makerlab.command import ROOT, SHORT, json_of, makerlab, spawn
from tests.scenarios.test_loader import FIVE_MISTAKES

HEAVY = ("cyclopts", "matplotlib", "msgspec", "numpy", "pydantic", "rich", "simpy", "structlog")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files go to a folder of the test."""
    monkeypatch.chdir(tmp_path)


def call(capsys, *arguments):
    """Run a command line in this process: (exit code, stdout, stderr)."""
    code = dispatch(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# --- the commands -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_lazy_import_resolves(command):
    """An import string is checked by nothing else before a user meets it."""
    module, _, name = command.target.partition(":")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(capsys, command):
    """And no option is named that the function does not have."""
    code, out, err = call(capsys, command.name, "--help")
    assert (code, err) == (0, "")
    assert f"makerlab {command.name}" in out
    assert command.summary in overview()


def test_help_of_a_command_has_all_that_its_docstring_says(capsys):
    """Protects what stands behind the first line, above all the columns and operations of order files."""
    said = {
        "book": ("t,op,id,side,px,sz,tif (and user", "op is limit, add, reduce, delete, move or execute", "Ioc or Alo"),
        "replay": ("Exit code 0: every decision is identical",),
        "story": ("Without one: each order of the journal in a line",),
        "demo": ("Needs no network, key or config",),
    }
    for name, texts in said.items():
        out = " ".join(call(capsys, name, "--help")[1].split())
        assert [text for text in texts if text not in out] == []


def test_overview_and_version_import_nothing_heavy(tmp_path):
    """Start-up stays short because nothing is imported, whatever the machine."""
    script = (
        "import sys; from makerlab.__main__ import dispatch; dispatch(['--help']); dispatch(['--version']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines()[-1] == "[]"
    assert "makerlab COMMAND" in out.stdout


def test_version_names_the_extras(capsys):
    """What a bug report needs first."""
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert "makerlab" in out
    assert "extras:" in out


def test_scenarios_are_listed_for_people_and_machines(capsys):
    """Every shipped one, in both forms."""
    _, out, _ = call(capsys, "scenarios")
    _, text, _ = call(capsys, "scenarios", "--json")
    document = json_of(text)
    assert document["schema_version"] == 1
    assert [row["name"] for row in document["scenarios"]] == library()
    assert all(name in out for name in library())
    assert {row["name"]: row["recording"] for row in document["scenarios"]}["eth-recorded"] == "ETH_20251210"
    assert out.count("to the end of the record") == 3
    assert "1000000000" not in out


def test_schema_is_json(capsys):
    """It goes into a file as it is."""
    code, out, _ = call(capsys, "schema")
    assert code == 0
    assert json_of(out)["properties"].keys() >= {"name", "duration_s", "market", "faults", "expect"}


# --- run ----------------------------------------------------------------------------------------


def test_json_is_one_document_alone_on_stdout(capsys):
    """Logs and progress go to stderr."""
    code, out, err = call(capsys, "run", "eth-quiet", *SHORT, "--seed", "7", "--json")
    document = json_of(out)
    assert code == 0
    assert (document["scenario"], document["seed"], document["schema_version"]) == ("eth-quiet", 7, 1)
    assert document["journal_digest"]
    assert document["world_digest"]
    assert document["events"] > 0
    assert document["metrics"]["pnl_usd"].keys() == {"total", "spread", "markout", "inventory", "fees", "transfers"}
    assert {"name", "bound", "measured", "holds"} == set(document["expectations"][0])
    assert "eth-quiet seed 7" in err


def test_files_go_to_a_folder_per_run(capsys, tmp_path):
    """runs/SCENARIO-SEED unless said otherwise; the result file is what --json prints."""
    _, out, _ = call(capsys, "run", "eth-quiet", *SHORT, "--seed", "3", "--json")
    folder = tmp_path / "runs" / "eth-quiet-3"
    assert json.loads((folder / "result.json").read_text()) == json_of(out)
    assert (folder / "journal.mlj").read_bytes().startswith(MAGIC)
    call(capsys, "run", "eth-quiet", *SHORT, "--out", "mine")
    assert (tmp_path / "mine" / "result.json").exists()


def test_the_table_names_the_most_frequent_reasons():
    """Five reasons in words, the most frequent first; what is left is one number, and zeros are left out."""
    names = ("a_b:c_d", "e", "f", "g", "h", "i", "j", "k")
    counts = dict(zip(names, (1_000, 7, 6, 5, 4, 2, 1, 0), strict=True))
    trader = TraderFigures(stops_by_reason=counts, stuck=2, requests_silent=3, requests_late=2, request_timeout_ms=500)
    (section,) = [s for s in sections(RunResult("x", 0, metrics=Metrics(trader=trader))) if "decisions" in s.title]
    rows = {row.name.strip(): row[1:] for row in section.rows}
    assert rows["ended early"] == ("1,025", "1,000 a b: c d, 7 e, 6 f, 5 g, 4 h, 3 others")
    assert rows["requests unanswered"] == ("3", "2 answered late, 0 never left; patience 500 ms")
    assert rows["surprises"] == ("2", "2 placements stuck")
    assert rows["held back"] == ("0", "")


def churn_rows(**figures):
    section = next(
        section for section in sections(RunResult("x", 0, metrics=Metrics(**figures))) if section.title == "Churn"
    )
    return {row.name: row[1:] for row in section.rows}


def test_the_table_tells_of_churn_in_a_few_rows():
    """A long run shows some moments of its time line; a missing number is a word; who placed nothing has one row."""
    timeline = [TimelineRow(60.0 * n, 10 * n, 9 * n, n) for n in range(1, 61)]
    rows = churn_rows(
        timeline=timeline, calls_per_min=20.0, cancel_fill_ratio=9.0, calls_per_fill=19.0, modify_share=0.25
    )
    assert rows["cancels per fill"] == ("9.00", "19.00 calls")
    assert rows["replaced by a modify"][0] == "25.0 %"
    earlier = "10/9/1 at 60 s, 130/117/13 at 780 s, 250/225/25 at 1,500 s, 370/333/37 at 2,220 s, 490/441/49 at 2,940 s"
    assert rows["placed/cancelled/filled"] == ("600/540/60", earlier)
    assert "cycles that sent nothing" not in rows
    lag = churn_rows(
        timeline=timeline,
        calls_per_min=20.0,
        quote_error_bps=3.456,
        quote_error_beyond_bps=0.02,
        queue_kept_share=0.951,
        edge_least_bps=2.5,
        queue_place_error=0.125,
        queue_place_unknown_share=0.4,
    )
    assert lag["from order to target"] == ("3.46 bps", "0.02 bps of it beyond the latch")
    assert lag["places kept"] == ("95.1 %", "of orders that a latch of 1 bp would have replaced")
    assert lag["least edge kept"][0] == "2.50 bps"
    assert lag["places unknown"] == ("40.0 %", "the others 12.5 % of their level off")
    assert churn_rows(timeline=timeline[:1], calls_per_min=20.0) == {
        "calls per minute": ("20.0", "placements, modifies and cancels since the first"),
        "cancels per fill": ("no fills", ""),
        "placed/cancelled/filled": ("10/9/1", ""),
    }
    assert churn_rows(timeline=timeline) == {"calls per minute": ("0", "nothing was placed")}


def test_the_table_has_what_a_trader_wants(capsys):
    """Names of the figures that the command line promises."""
    _, out, _ = call(capsys, "run", "eth-volatile", "--set", "duration_s=60", "--seed", "3")
    for name in (
        "spread captured",
        "markout, 1 s",
        "fees",
        "fills",
        "volume",
        "inventory",
        "placed",
        "modified",
        "cancelled",
        "rejected",
        "races",
        "requests per minute",
        "calls per minute",
        "cycles that sent nothing",
        "replaced by a modify",
        "cancels per fill",
        "placed/cancelled/filled",
        "two-sided",
        "gated",
        "ended early",
        "reconcile: unchanged",
        "held back",
        "requests unanswered",
        "resyncs",
        "ETH half-spread at the stop",
        "quote cycle",
    ):
        assert name in out, name


def test_several_runs_come_in_an_envelope_and_jobs_change_nothing(capsys):
    """Two processes give what one gives, in the same order."""
    arguments = ("run", "eth-quiet", "two-markets", *SHORT, "--seeds", "2", "--json")
    _, serial, _ = call(capsys, *arguments)
    _, spread, _ = call(capsys, *arguments, "--jobs", "2")
    documents = [json_of(text) for text in (serial, spread)]
    for document in documents:
        assert (document["schema_version"], document["total"]) == (1, 4)
        for one in document["runs"]:
            del one["wall"]
    assert documents[0] == documents[1]
    assert [(one["scenario"], one["seed"]) for one in documents[0]["runs"]] == [
        ("eth-quiet", 0),
        ("eth-quiet", 1),
        ("two-markets", 0),
        ("two-markets", 1),
    ]


def test_junit_has_a_case_per_expectation(capsys, tmp_path):
    """A failed one carries what was wanted and what was measured."""
    path = tmp_path / "sub" / "junit.xml"  # in the folder above the run's own, which the run makes
    arguments = ("--set", "expect.fills_min=100000", "--out", "sub/run", "--junit", "sub/junit.xml")
    call(capsys, "run", "eth-quiet", *SHORT, *arguments, "--json")
    suite = parse(path).getroot().find("testsuite")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert (suite.get("failures"), failed) == ("1", ["fills"])
    assert "100000" in suite.find("testcase[@name='fills']/failure").get("message")


def test_plots_and_report_are_files(capsys, tmp_path):
    """PNG figures, and a page that needs nothing beside it."""
    call(capsys, "run", "eth-quiet", *SHORT, "--plots", "--out", "p", "--json")
    for name in ("market", "inventory", "pnl", "orders"):
        assert (tmp_path / "p" / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    page = (tmp_path / "p" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 8
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_line_for_each_quote_cycle(capsys):
    """CH-39: lines on stderr whose sums are the counters; without the option there is none."""
    arguments = ("run", "churn-exhausted", "--out", "c", "--json")
    _, out, err = call(capsys, *arguments, "--cycles")
    metrics = json_of(out)["metrics"]
    told = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    lines = [line for line in told if line["event"] == "cycle" and line["t"] < 300]
    sums = {
        name: sum(line[name] for line in lines) for name in ("generated", "latched", "suppressed", "gated", "skips")
    }
    trader = metrics["trader"]
    assert len(lines) == metrics["cycles"] > sums["skips"] > 0
    assert sums["generated"] == trader["actions_generated"]
    assert sums["latched"] == trader["actions_latched"] > 0
    assert sums["suppressed"] + sums["gated"] == sum(trader["actions_gated"].values()) > 0
    sent = [sum(line[name] for line in lines) for name in ("cancels", "modifies", "places")]
    assert sum(sent) == trader["actions_sent"] > 0
    assert '"cycle"' not in call(capsys, *arguments)[2]


def test_the_samples_of_the_figures_are_a_file(capsys, tmp_path):
    """Who wants a figure of his own needs the numbers, also of a run made elsewhere; without --plots there is none."""
    _, out, _ = call(capsys, "run", "eth-quiet", *SHORT, "--plots", "--out", "p", "--json")
    trace = json.loads((tmp_path / "p" / "trace.json").read_text())
    assert json_of(out)["files"]["trace"] == "p/trace.json"
    market = trace["markets"]["ETH"]
    assert len(market["t"]) == len(market["our_bid"]) > 100
    assert market["our_bid"][0] is None  # nothing quoted yet
    assert market["our_bid"][-1] is None  # nothing any more
    assert max(filter(None, market["our_bid"])) > 1_000
    call(capsys, "run", "eth-quiet", *SHORT, "--out", "p")
    assert not (tmp_path / "p" / "trace.json").exists()


def test_same_journal_under_any_hash_seed(tmp_path):
    """Two processes with different PYTHONHASHSEED: the same digests; another seed: others."""
    documents = []
    for hash_seed, seed in (("0", "7"), ("4242", "7"), ("0", "8")):
        code, out, err = makerlab(
            "run", "eth-quiet", *SHORT, "--seed", seed, "--json", cwd=tmp_path, PYTHONHASHSEED=hash_seed
        )
        assert code == 0, err
        documents.append(json_of(out))
    one, same, other = ((d["journal_digest"], d["world_digest"], d["metrics"]) for d in documents)
    assert one == same
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_what_was_set_stands_in_the_result_and_the_headline(capsys, tmp_path):
    """Protects a result from being taken for one of the scenario as it is shipped."""
    _, out, _ = call(capsys, "run", "eth-quiet", *SHORT, "--seed", "3")
    document = json.loads((tmp_path / "runs" / "eth-quiet-3" / "result.json").read_text())
    assert (document["overrides"], document["recording"]) == (["duration_s=30", "expect.fills_min=0"], None)
    assert out.startswith("eth-quiet, seed 3, with duration_s=30, expect.fills_min=0: all holds")
    assert RunResult("eth-quiet", 0).title == "eth-quiet, seed 0"


def test_a_run_that_never_quoted_says_so(capsys):
    """Protects the reader from a start-up that looks done, and from a column of zeros."""
    _, out, _ = call(capsys, "run", "eth-quiet", "--set", "duration_s=10")
    assert "no quote was allowed in this time" in out
    assert "no fills" in out
    assert not any(name in out for name in ("until the first quote", "spread captured", "markout at", "volume"))


def test_each_markout_is_shown_once():
    """Protects the P&L table: the horizon of the split keeps its net and adverse figures, in one row."""
    markouts = [Markout(horizon, -horizon, 1.0, 25.0) for horizon in HORIZONS_S]
    metrics = Metrics(pnl_usd=Pnl(1.0, 2.0, -1.0), markouts_usd=markouts, fills=2, volume_usd=100.0)
    rows = [row for row in sections(RunResult("x", 0, metrics=metrics))[0].rows if "markout" in row.name]
    assert [row.name.strip() for row in rows] == [
        "markout, 1 s after the fill",
        *(f"markout at {horizon:g} s, gross" for horizon in HORIZONS_S if horizon != SPLIT_HORIZON_S),
    ]
    assert rows[0].note == "-100.000 bps of volume; net +1.00; 25 % of fills adverse"
    assert {row.note for row in rows[1:]} == {"net of the spread +1.00; 25 % of fills adverse"}


def test_a_check_against_a_record_has_no_speed():
    """Protects from "0 x real time": a second of blocks is no stretch of time to be faster than."""
    result = RunResult("hl-btc-l4", 0, metrics={"blocks": 18}, wall=Wall(run_s=3.0, speed_x=0.4))
    names = {row.name: row.value for row in sections(result)[-1].rows}
    assert "speed" not in names
    assert names["time"] == "3.00 s"


def test_lines_about_runs_name_their_folders_in_any_number_of_processes(capsys):
    """Protects the way from a line on stderr to the files of that run."""
    for jobs in ((), ("--jobs", "2")):
        _, _, err = call(capsys, "run", "eth-quiet", "--set", "duration_s=5", "--seeds", "2", "--json", *jobs)
        lines = sorted(line for line in err.splitlines() if "files in" in line)
        assert [line.partition("files in ")[2] for line in lines] == ["runs/eth-quiet-0", "runs/eth-quiet-1"]


# --- replay, story, book ------------------------------------------------------------------------


@pytest.fixture
def journal(capsys, tmp_path):
    """The journal of a short run, of a trader that moves often."""
    call(capsys, "run", "eth-quiet", *SHORT, "--set", "trader.profile=plain", "--seed", "7", "--json")
    return tmp_path / "runs" / "eth-quiet-7" / "journal.mlj"


def test_replay_of_a_run_is_identical(capsys, journal):
    """Exit code 0, and how much was compared."""
    code, out, _ = call(capsys, "replay", str(journal), "--json")
    assert code == 0
    assert json_of(out)["identical"]
    assert json_of(out)["decisions"] > 100


def test_replay_of_a_torn_journal_says_where_it_ends(capsys, journal, tmp_path):
    """What a crash leaves is still worth replaying."""
    torn = tmp_path / "torn.mlj"
    torn.write_bytes(journal.read_bytes()[:-5])
    code, out, _ = call(capsys, "replay", str(torn))
    assert code == 0
    assert "torn" in out


def test_replay_that_differs_is_exit_code_6(capsys, journal, tmp_path):
    """Another config in the head stands for other code: the first difference is shown."""
    other = tmp_path / "other.mlj"
    with other.open("wb") as file:
        file.write(MAGIC)
        for record in Reader(journal.read_bytes()):
            if isinstance(record, Opened):
                record.header.config["desk"]["engine"]["level_notional_usd"] = 250.0
            file.write(encode(record))
    code, out, err = call(capsys, "replay", str(other))
    assert (code, out) == (ExitCode.REPLAY_DIFFERS, "")
    assert "recorded" in err
    assert "replayed" in err


@pytest.mark.parametrize("command", ["replay", "story"])
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no records"),
        (MAGIC, "no records (complete: 0 records to byte"),
        (MAGIC + encode(Opened(Header(seed=0)))[:-1], "no records (torn, "),
        (b"a text", "not a makerlab journal"),
        (b"makerlab-journal 99\n", "journal format version 99"),
    ],
)
def test_a_file_without_a_journal_in_it_is_wrong_input(capsys, tmp_path, command, data, why):
    """Nothing compared is not "identical"; and of several files one knows which it was."""
    path = tmp_path / "some.mlj"
    path.write_bytes(data)
    code, out, err = call(capsys, command, str(path))
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert err.startswith(f"{path}: {why}")


def test_replay_without_a_header_is_wrong_input(capsys, journal, tmp_path):
    """The head of the file was cut away: nothing differs, there is nothing to compare with."""
    path = tmp_path / "headless.mlj"
    path.write_bytes(MAGIC + b"".join(encode(r) for r in Reader(journal.read_bytes()) if not isinstance(r, Opened)))
    code, out, err = call(capsys, "replay", str(path))
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert err.startswith(f"{path}: record 0 stands before any header")


def test_story_tells_one_order(capsys, journal):
    """From the first intent to the end."""
    cloid = next(
        action.cloid
        for record in Reader(journal.read_bytes())
        for command in getattr(record, "commands", ())
        for action in getattr(command, "actions", ())
        if type(action).__name__ == "Place"
    )
    code, out, _ = call(capsys, "story", str(journal), cloid[:12])
    assert code == 0
    assert "place" in out.splitlines()[0]
    assert "canceled" in out


def test_story_without_an_order_lists_them(capsys, journal):
    """Protects the first question to a journal: which ids are there? Each one shown opens a story."""
    code, out, err = call(capsys, "story", str(journal))
    head, *rows = out.splitlines()
    assert code == 0
    assert head.split() == ["time", "order", "how", "it", "ended", "filled", "client", "id", "oid"]
    assert len(rows) > 10
    assert "makerlab story" in err
    prefix = next(word for word in rows[0].split() if word.startswith("0x"))
    assert call(capsys, "story", str(journal), prefix)[0] == 0
    assert len(call(capsys, "story", str(journal), "--fills")[1].splitlines()) < len(rows)
    cancelled = [call(capsys, "story", str(journal), "--state", name)[1] for name in ("Cancelled", "cancelled")]
    assert cancelled[0] == cancelled[1]
    assert 1 < len(cancelled[0].splitlines()) <= len(rows) + 1
    code, _, err = call(capsys, "story", str(journal), "--state", "half")
    assert (code, "partially_filled" in err) == (ExitCode.WRONG_INPUT, True)
    code, _, err = call(capsys, "story", str(journal), prefix, "--fills")
    assert (code, err[:7]) == (ExitCode.WRONG_INPUT, "--fills")


def test_story_of_a_torn_journal_says_that_it_is(capsys, journal):
    """An order that ends in the part that is gone looks as if it still rested."""
    assert ": torn, " not in call(capsys, "story", str(journal))[2]
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-1_000])
    oid = call(capsys, "story", str(journal))[1].splitlines()[1].split()[-1]
    for order in ((), (oid,)):
        code, out, err = call(capsys, "story", str(journal), *order)
        assert (code, bool(out)) == (0, True)
        (line,) = (line for line in err.splitlines() if "journal.mlj: torn, " in line)
        assert line.startswith(f"{journal}: torn, ")
        assert line.endswith("; what is before is told")


def test_one_of_a_thing_is_singular(capsys, tmp_path):
    """Protects the last line of `makerlab book` from "1 fills"; verbs stay as they are."""
    path = tmp_path / "orders.csv"
    path.write_text("t,op,id,side,px,sz,tif\n1,add,a,B,99.5,10,\n2,execute,a,,,4,\n")
    _, out, _ = call(capsys, "book", str(path))
    assert "1 fill, 1 at the front" in " ".join(out.split())
    assert counted(1, "decision") == "1 decision"
    assert counted(2_000, "decision") == "2,000 decisions"


def test_book_shows_fills_rejects_and_levels(capsys, tmp_path):
    """A small file whose answer can be worked out by hand."""
    path = tmp_path / "orders.csv"
    path.write_text("t,op,id,side,px,sz,tif\n1,limit,a,B,99.5,10,\n2,limit,b,S,99.5,4,Ioc\n3,limit,c,S,99.5,1,Alo\n")
    code, out, _ = call(capsys, "book", str(path), "--json", "--levels", "1")
    rows = json_of(out)["rows"]
    assert code == 0
    assert rows[1]["fills"] == [{"maker": "a", "taker": "b", "px": "99.5", "sz": "4", "front": True, "ahead": "0"}]
    assert rows[2]["reject"] == "would cross"
    assert rows[2]["bids"] == [["99.5", "6", 1]]
    _, table, _ = call(capsys, "book", str(path))
    assert "would cross" in table


# --- exit codes ---------------------------------------------------------------------------------


def test_0_everything_holds(capsys):
    """The plain case."""
    assert call(capsys, "run", "eth-quiet", *SHORT, "--json")[0] == ExitCode.OK


def test_1_an_expectation_failed(capsys):
    """The run itself went through."""
    assert call(capsys, "run", "eth-quiet", *SHORT, "--set", "expect.fills_min=100000", "--json")[0] == ExitCode.FAILED


def test_2_five_mistakes_are_five_lines(capsys, tmp_path):
    """Before anything runs, without a traceback, nothing on stdout."""
    path = tmp_path / "bad.toml"
    path.write_text(FIVE_MISTAKES)
    code, out, err = call(capsys, "run", str(path))
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert len(err.splitlines()) == 5
    assert all(": found " in line and ", want " in line for line in err.splitlines())
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "no-such-scenario"),
        ("run", "nowhere/no.toml"),
        ("run", "eth-quiet", "--all"),
        ("run", "eth-quiet", "--seed", "1", "--seeds", "2"),
        ("run", "eth-quiet", "--seed", "-1"),
        ("run", "eth-quiet", "--seed", "1.5"),
        ("run", "eth-quiet", "--seed", "9" * 30),
        ("run", "eth-quiet", "--jobs", "0"),
        ("run", "eth-quiet", "--junit", "."),
        ("run", "eth-quiet", "--junit", "nowhere/junit.xml"),
        ("demo", "--seed", "-1"),
        ("run", "eth-quiet", "--set", "duration_s"),
        ("run", "eth-quiet", "--set", "duration_s=soon"),
        ("run", "eth-quiet", "eth-quiet"),
        ("run", "eth-quiet", "--sed", "1"),
        ("begin", "eth-quiet"),
        ("replay",),
        ("replay", "nowhere.mlj"),
        ("story", "nowhere.mlj", "0x1"),
        ("book", "nowhere.csv"),
        ("book", "nowhere.csv", "--levels", "0"),
    ],
    ids=" ".join,
)
def test_2_wrong_input(capsys, arguments):
    """A user's mistake is a line on stderr, never a traceback."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("bogus",), "makerlab --help"),
        (("stroy", "x"), "makerlab story --help"),
        (("run", "--sed", "1"), "makerlab run --help"),
        (("--nonsense",), "makerlab --help"),
    ],
)
def test_2_the_hint_is_a_command_that_works(capsys, arguments, hint):
    """Protects whoever mistypes a command from a hint that fails the same way."""
    _, _, err = call(capsys, *arguments)
    assert err.splitlines()[-1] == f"Try `{hint}`."
    assert call(capsys, *hint.split()[1:])[0] == ExitCode.OK


def test_2_missing_recording_says_which_folder(capsys, tmp_path, monkeypatch):
    """The first thing that a new user of recorded scenarios meets."""
    monkeypatch.setenv("MAKERLAB_DATA", str(tmp_path / "nothing"))
    for name in ("eth-recorded", "hl-btc-l4"):
        code, _, err = call(capsys, "run", name)
        assert code == ExitCode.WRONG_INPUT
        assert str(tmp_path / "nothing") in err
        assert "MAKERLAB_DATA" in err


def test_2_folder_that_cannot_be_written(capsys, tmp_path):
    """Found before the run, not after it."""
    (tmp_path / "file").write_text("")
    code, _, err = call(capsys, "run", "eth-quiet", "--out", "file/x")
    assert code == ExitCode.WRONG_INPUT
    assert "a folder that can be written" in err


def test_2_places_that_cannot_be_written(capsys, tmp_path):
    """Folders where files must go, and the demo like the rest; an earlier result is still there."""
    (tmp_path / "taken" / "journal.mlj").mkdir(parents=True)
    (tmp_path / "file").write_text("kept")
    for arguments in (("run", "eth-quiet", "--out", "taken"), ("demo", "--out", "file")):
        code, out, err = call(capsys, *arguments)
        assert (code, out) == (ExitCode.WRONG_INPUT, "")
        assert "that can be written" in err
    assert (tmp_path / "file").read_text() == "kept"


def test_2_options_and_files_are_complained_about_together(capsys):
    """One look at the list mends the whole call."""
    code, _, err = call(capsys, "run", "no-such-scenario", "--seed", "-1", "--jobs", "0")
    assert code == ExitCode.WRONG_INPUT
    assert [line.partition(":")[0] for line in err.splitlines()] == ["--seed", "--jobs", "scenario"]


def test_2_a_recording_with_faults_stops_the_call_before_anything_runs(capsys, tmp_path, monkeypatch):
    """The other scenarios of the call do not run in vain, and no file of an earlier run is touched."""
    folder = tmp_path / "data" / "hl_l2_trades"
    folder.mkdir(parents=True)
    for kind in ("orderbooks", "prices", "trades"):
        (folder / f"ETH_20251210_{kind}.csv.gz").write_bytes(b"no gzip")
    monkeypatch.setenv("MAKERLAB_DATA", str(tmp_path / "data"))
    code, out, err = call(capsys, "run", "eth-quiet", "eth-recorded", *SHORT)
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert err.count("want a complete gzipped CSV file") == 3
    assert not (tmp_path / "runs").exists()


def test_a_run_removes_the_result_of_the_one_before(capsys, tmp_path):
    """A run that is stopped leaves its journal; beside it must not stand what another run came to."""
    (tmp_path / "out").mkdir()
    for name in ("result.json", "report.html", "market.png", "market-SOL.png", "orders.png", "photo.png"):
        (tmp_path / "out" / name).write_text("old")
    call(capsys, "run", "eth-quiet", *SHORT, "--out", "out")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scenario"] == "eth-quiet"
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"result.json", "journal.mlj", "photo.png"}


TOO_LONG = "x" * 300
NO_PLACES = ("nowhere/x", "file/x", TOO_LONG, f"{TOO_LONG}/x", ".")


@pytest.mark.parametrize(
    ("arguments", "option", "places"),
    [
        (("run", "no-such"), "--out", NO_PLACES[1:4]),
        (("run", "no-such"), "--junit", NO_PLACES),
        (("demo", "--seed", "-1"), "--out", NO_PLACES[1:4]),
        (("swarm", "--seeds", "none"), "--out", NO_PLACES[1:4]),
        (("crashes", "no-such"), "--out", NO_PLACES[1:4]),
        (("ablate", "no-such"), "--out", NO_PLACES[1:4]),
        (("shrink", "no.json"), "--out", NO_PLACES),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and len(value) < 4 else "",
)
def test_2_a_wrong_place_is_named_beside_other_mistakes(capsys, tmp_path, arguments, option, places):
    """Of every command that writes: one report with the path, before anything begins, and nothing is left behind."""
    (tmp_path / "file").write_text("kept")
    for place in places:
        code, out, err = call(capsys, *arguments, option, place)
        assert (code, out) == (ExitCode.WRONG_INPUT, "")
        lines = err.splitlines()
        assert len(lines) == 2, err
        (line,) = (line for line in lines if line.startswith(f"{option}: found {place}"))
        assert ", want a f" in line
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_2_no_folder_is_left_by_a_wrong_report(capsys, tmp_path):
    """The folder of the run, which was sound, is not made for nothing."""
    assert call(capsys, "run", "eth-quiet", "--out", "a/b", "--junit", ".")[0] == ExitCode.WRONG_INPUT
    assert not list(tmp_path.iterdir())


HAS_FULL = os.path.exists("/dev/full")  # noqa: PTH110
NO_FULL = "no /dev/full on this system"


@pytest.mark.skipif(not HAS_FULL, reason=NO_FULL)
def test_2_a_full_disk_is_found_before_the_work(capsys, tmp_path):
    """Said in a line that names it, and no run is begun in vain."""
    code, out, err = call(capsys, "run", "eth-quiet", *SHORT, "--junit", "/dev/full", "--json")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert err.startswith("--junit: found /dev/full (No space left on device), want a file that can be written")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not HAS_FULL, reason=NO_FULL)
def test_2_a_disk_that_fills_up_is_named(tmp_path):
    """Nobody's bug: said in a line with the file, without a traceback; the result is still printed."""
    script = (
        "import makerlab.run as run; from makerlab.__main__ import main;"
        "run.file_problems = lambda *_: []; main()"  # there was room when it was looked for
    )
    arguments = ("run", "eth-quiet", *SHORT, "--junit", "/dev/full", "--json")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.WRONG_INPUT
    assert json_of(done.stdout)["scenario"] == "eth-quiet"
    assert done.stderr.splitlines()[-1].startswith("/dev/full: found No space left on device, want a place")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not HAS_FULL, reason=NO_FULL)
def test_1_a_full_output_is_one_line(tmp_path):
    """No option says where stdout goes: it is no wrong input."""
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = subprocess.run(
            [sys.executable, "-m", "makerlab", "scenarios", "--json"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == ExitCode.FAILED
    assert process.stderr == "output: found No space left on device, want a place that can be read and written\n"


def test_text_that_the_terminal_has_no_letters_for_is_spelled(tmp_path):
    """A run under LC_ALL=C must not fail over the micro sign in its table."""
    code, out, err = makerlab("run", "eth-quiet", *SHORT, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (code, "Traceback" in err) == (ExitCode.OK, False)
    assert "eth-quiet" in out


def test_143_terminated_with_its_processes(tmp_path):
    """What CI sends at a time-out: the processes of --jobs end with the call, the journals stay readable."""
    process = spawn(
        "run", "eth-quiet", "--set", "duration_s=36000", "--seeds", "2", "--jobs", "2", "--out", "o", cwd=tmp_path
    )
    journals = [tmp_path / "o" / f"eth-quiet-{seed}" / "journal.mlj" for seed in range(2)]
    while not all(path.exists() and path.stat().st_size > 10_000 for path in journals):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)  # returns when the last process has closed its stderr
    assert process.returncode == ExitCode.TERMINATED
    assert "Traceback" not in err
    for path in journals:
        assert list(Reader(path.read_bytes()))


def test_all_leaves_out_what_needs_missing_data(capsys, tmp_path, monkeypatch):
    """Whoever has no recordings can still run everything else, and is told what was left out."""
    monkeypatch.setenv("MAKERLAB_DATA", str(tmp_path / "nothing"))
    _, out, err = call(capsys, "run", "--all", "--set", "duration_s=1", "--json")
    ran = {one["scenario"] for one in json_of(out)["runs"]}
    assert ran == {name for name in library() if not load(name).faults} - {"eth-recorded", "sol-recorded", "hl-btc-l4"}
    assert err.count("left out") == len(library()) - len(ran)
    assert "latency-spike: left out (latency-spike: faults[0].at_s: found 60, want a start before the end" in err


def test_all_with_an_override_that_fits_none_is_wrong_input(capsys):
    """A typo must not leave out everything and call it a success."""
    code, out, err = call(capsys, "run", "--all", "--set", "trader.desk.engin.max_kappa=1")
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    assert [line for line in err.splitlines() if "did you mean engine?" not in line] == []
    assert "left out" not in err


def test_3_halted_by_risk_unless_expected():
    """A kill is told apart from a figure that was missed."""
    halted = [Outcome("ended", "completed", "halted", holds=False)]
    expected = [Outcome("ended", "halted", "halted", holds=True)]
    missed = [*expected, Outcome("fills", ">= 1", 0, holds=False)]
    assert exit_code(RunResult("x", 0, Ended.HALTED, expectations=halted)) is ExitCode.HALTED
    assert exit_code(RunResult("x", 0, Ended.HALTED, expectations=expected)) is ExitCode.OK
    assert exit_code(RunResult("x", 0, Ended.HALTED, expectations=missed)) is ExitCode.FAILED


def test_of_several_runs_the_worst_decides():
    """One halted run among good ones is not hidden."""
    assert worst([ExitCode.OK, ExitCode.HALTED, ExitCode.FAILED]) is ExitCode.HALTED
    assert worst([ExitCode.OK, ExitCode.OK]) is ExitCode.OK


@pytest.mark.parametrize("jobs", [(), ("--seeds", "2", "--jobs", "2")], ids=["here", "in processes"])
def test_130_interrupted(tmp_path, jobs):
    """Ctrl-C ends a long run at once and without a traceback, also when it is spread over processes."""
    process = spawn("run", "eth-quiet", "--set", "duration_s=100000", *jobs, cwd=tmp_path)
    seeds = range(2 if jobs else 1)
    journals = [tmp_path / "runs" / f"eth-quiet-{seed}" / "journal.mlj" for seed in seeds]
    while not all(path.exists() and path.stat().st_size > 10_000 for path in journals):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    told = [line for line in err.splitlines() if "stopped, the journal" in line]
    assert told == [f"eth-quiet seed {n}: stopped, the journal so far is in runs/eth-quiet-{n}" for n in seeds]


def test_130_runs_that_never_began_leave_no_folder(tmp_path):
    """Protects from empty folders, and from calling a run stopped that was not under way."""
    old = tmp_path / "runs" / "eth-quiet-3" / "journal.mlj"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of another call")
    long = ("eth-quiet", "--set", "duration_s=100000")
    process = spawn("run", *long, "--seeds", "4", "--jobs", "2", cwd=tmp_path)
    journals = [tmp_path / "runs" / f"eth-quiet-{seed}" / "journal.mlj" for seed in range(2)]
    while not all(path.exists() and path.stat().st_size > 10_000 for path in journals):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert err.count("stopped, the journal") == 2
    assert "stopped: 0 of 4 runs are done" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["eth-quiet-0", "eth-quiet-1", "eth-quiet-3"]
    assert old.read_bytes() == b"of another call"


def test_141_nobody_reads_our_output(tmp_path):
    """`makerlab ... | head` ends quietly."""
    process = spawn("schema", cwd=tmp_path)
    process.stdout.close()
    assert process.wait(timeout=30) == ExitCode.BROKEN_PIPE
    assert process.stderr.read() == ""
    process.stderr.close()


def test_demo_runs_the_main_job(capsys, monkeypatch, tmp_path):
    """Table, report, and a last line that says what to try next; here with a short market."""
    demo = import_module("makerlab.demo")
    monkeypatch.setattr(demo, "load", lambda name: run_module.load(name, SHORT[1::2]))
    code, out, _ = call(capsys, "demo")
    assert code == 0
    assert (tmp_path / "runs" / "demo" / "report.html").exists()
    assert "P&L" in out
    assert out.rstrip().splitlines()[-1].startswith("Next: makerlab run")
