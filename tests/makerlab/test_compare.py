"""`makerlab compare`: the table of two journals, the document, and what is no pair to compare."""

import json
from dataclasses import asdict, fields
from math import inf

import msgspec
import pytest

from domain.events import StopRequested
from domain.units import Ns
from makerlab.__main__ import dispatch
from makerlab.compare import ROWS
from makerlab.exit_codes import ExitCode
from runtime.journal_format import MAGIC, Opened, Took, encode
from runtime.journal_reader import Reader
from studies.churn.from_journal import JournalFigures, read_journal
from studies.churn.tables import TARGETS
from tests.studies.churn.journals import written

SHORT = "duration_s=110"


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """However long a reading takes on a busy machine, stderr holds what the command has to say."""
    monkeypatch.setattr("makerlab.output.PLAIN_INTERVAL_S", inf)


@pytest.fixture
def journal(tmp_path, capsys):
    """Writes the journal of a short run to a file of its own."""

    def write(name):
        path = tmp_path / f"{name}.mlj"
        path.write_bytes(written(name, SHORT)[1])
        capsys.readouterr()  # what the run says
        return path

    return write


def call(capsys, *arguments):
    code = dispatch(["compare", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def cells(out, name):
    """The values of one line of the table."""
    (line,) = (line for line in out.splitlines() if line.strip().startswith(name))
    return line.strip().removeprefix(name).split()


def test_two_runs_stand_side_by_side(capsys, journal):
    base, new = journal("churn-baseline"), journal("churn-stable")
    code, out, err = call(capsys, base, new)
    assert (code, err) == (ExitCode.OK, "")
    assert out.splitlines()[:2] == [
        f"base  churn-baseline, seed 1: {base}",
        f"new   churn-stable, seed 1: {new}",
    ]
    one, other = (read_journal(path).figures for path in (base, new))
    assert cells(out, "placed ") == [str(one.placed), str(other.placed)]
    assert cells(out, "calls a minute") == [f"{one.calls_per_min:.2f}", f"{other.calls_per_min:.2f}", "<=", "5"]
    assert cells(out, "cycles that sent nothing") == [
        f"{one.zero_action_share:.3f}",
        f"{other.zero_action_share:.3f}",
        ">",
        "0.80",
    ]
    assert cells(out, "cancels per fill") == ["no", "fills", "no", "fills", "<", "2"]
    assert cells(out, "placed/cancelled/filled at 60 s") == ["0/0/0", "0/0/0"]
    assert cells(out, "placed/cancelled/filled at 110 s") == [
        f"{each.placed}/{each.cancelled}/{each.filled}" for each in (one, other)
    ]


def test_every_promise_of_the_study_has_its_line():
    """What the study asks of the cure is asked of two journals, too."""
    figures = [figure for _, figure, _, _ in ROWS]
    assert [target.figure for target in TARGETS if target.figure not in figures] == []
    assert set(figures) == {field.name for field in fields(JournalFigures)} - {"timeline"}


def test_programs_get_one_document(capsys, journal):
    base, new = journal("churn-baseline"), journal("churn-stable")
    code, out, err = call(capsys, base, new, "--json")
    told = json.loads(out)
    assert (code, err) == (ExitCode.OK, "")
    for side, path in (("base", base), ("new", new)):
        read = read_journal(path)
        assert told[side]["figures"] == json.loads(msgspec.json.encode(asdict(read.figures)))
        assert told[side]["path"] == str(path)
        assert (told[side]["scenario"], told[side]["seed"]) == (read.header.scenario, 1)
        assert (told[side]["lives"], told[side]["instruments"], told[side]["not_known"]) == (1, ["ETH"], None)
    assert told["base"]["figures"]["placed"] == written("churn-baseline", SHORT)[0].orders.placed


def test_a_trader_that_decides_otherwise_is_said(capsys, journal, tmp_path):
    """An older version wrote it: what was sent is compared, what was wanted is not known."""
    base, new = journal("churn-baseline"), tmp_path / "older.mlj"
    first, *others = Reader(base.read_bytes())
    config = {**first.header.config, "desk": {**first.header.config["desk"], "reconcile": {"latch_bps": 5.0}}}
    new.write_bytes(
        MAGIC + b"".join(map(encode, (Opened(msgspec.structs.replace(first.header, config=config)), *others)))
    )
    code, out, err = call(capsys, base, new)
    assert code == ExitCode.OK
    assert err.startswith(f"{new}: what the strategy wanted is not told from record ")
    assert err.count("\n") == 1
    placed = cells(out, "placed ")
    assert placed[0] == placed[1] != "0"
    assert cells(out, "places kept")[1:3] == ["not", "known"]


# --- wrong input --------------------------------------------------------------------------------


def refused(capsys, *arguments):
    """The lines of the one report."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (ExitCode.WRONG_INPUT, "")
    return err.splitlines()


def test_one_journal_twice_is_no_comparison(capsys, journal):
    """By another name, too."""
    base = journal("churn-baseline")
    link = base.with_name("link.mlj")
    link.symlink_to(base)
    for other in (base, link, base.parent / "." / base.name):
        assert refused(capsys, base, other) == [f"compare: found {base} twice, want the journals of two runs"]


def test_everything_that_is_wrong_with_both_is_one_report(capsys, journal, tmp_path):
    whole = journal("churn-baseline").read_bytes()
    first, *_ = Reader(whole)
    nobody = Opened(msgspec.structs.replace(first.header, instruments=()))
    strange = Opened(msgspec.structs.replace(first.header, makerlab="0.0.1", config={"no_such_key": 1}))
    stop = encode(Took(Ns(0), StopRequested("x")))
    missing = tmp_path / "none.mlj"
    for content, said in (
        (b"", "no records"),
        (b"hello world", "not a makerlab journal: it starts with b'hello world'"),
        (MAGIC.replace(b"1", b"9"), "journal format version 9, this makerlab reads version 1"),
        (MAGIC + stop, "record 0 stands before any header"),
        (MAGIC + encode(nobody) + stop, "its header names no instrument"),
        (MAGIC + encode(strange) + stop, "a trader of makerlab 0.0.1 that "),
        (whole[:-7], "torn, "),
        (whole[:1_000] + b"\0" * 40 + whole[1_040:], "journal is damaged: record "),
    ):
        other = tmp_path / "other.mlj"
        other.write_bytes(content)
        lines = refused(capsys, other, missing)
        assert len(lines) == 2
        assert lines[0].startswith(f"{other}: found {said}")
        assert lines[1].startswith(f"{missing}: found No such file or directory, want a journal")


def test_runs_in_other_markets_are_not_compared(capsys, journal):
    base, new = journal("churn-baseline"), journal("two-markets")
    assert refused(capsys, base, new) == [
        f"{new}: found a run in ETH, SOL, want one in ETH, as {base}",
    ]
