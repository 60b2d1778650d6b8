"""`makerlab diagnose`: what it prints, its exit codes, and what is no journal."""

import json
from zlib import crc32

import pytest

from domain.events import StopRequested
from domain.units import Ns
from makerlab.__main__ import dispatch
from makerlab.exit_codes import ExitCode
from runtime.journal_format import FRAME, MAGIC, Opened, Took, encode
from runtime.journal_reader import Reader
from studies.diagnosis.diagnosis import PLAYBOOKS
from studies.sabotage import installed
from tests.studies.causes import CAUSES, CLEAN, journal_of


@pytest.fixture
def journal(tmp_path, monkeypatch, capsys):
    """Writes the journal of a world to a file of the test's folder."""
    monkeypatch.chdir(tmp_path)

    def write(world):
        path = tmp_path / "journal.mlj"
        path.write_bytes(journal_of(world))
        capsys.readouterr()  # what the run says
        return path

    return write


def call(capsys, *arguments):
    code = dispatch(["diagnose", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_cause_is_printed_with_its_evidence_and_what_to_do(capsys, journal):
    """DG-05: every resolution of the step; the other steps are listed with their verdicts."""
    code, out, err = call(capsys, journal(CAUSES["DG-07"]))
    assert (code, err) == (ExitCode.FAILED, "")
    lines = out.splitlines()
    head = lines.index("orders not sending: DG-07 rate limiter")
    assert any(line.startswith("  #") and "the side waits after refusals" in line for line in lines[head:])
    step = PLAYBOOKS[0].steps[0]
    assert [line.removeprefix("  -> ") for line in lines if "->" in line] == list(step.resolution)
    assert "stale quotes, not updating: nothing wrong" in lines
    assert "position mismatch: nothing wrong" in lines
    assert [line.split()[0] for line in lines if line.startswith(" DG-")] == [f"DG-{n:02}" for n in range(7, 22)]


def test_a_clean_journal_has_nothing_wrong(capsys, journal):
    code, out, err = call(capsys, journal(CLEAN["eth-quiet"]))
    assert (code, err) == (ExitCode.OK, "")
    assert out.count(": nothing wrong\n") == len(PLAYBOOKS)
    assert "this is it" not in out
    assert "see the playbook" not in out


def test_one_playbook_is_asked_alone(capsys, journal):
    """What another one would name changes nothing: the exit code is that of the question."""
    path = journal(CAUSES["DG-13"])
    code, out, _ = call(capsys, path, "--playbook", "position")
    assert (code, out.count("DG-")) == (ExitCode.OK, 5)
    code, out, _ = call(capsys, path, "--playbook", "orders")
    assert code == ExitCode.OK
    assert "see the playbook `stale`" in " ".join(out.split())
    code, out, _ = call(capsys, path, "--playbook", "stale")
    assert code == ExitCode.FAILED
    assert "stale quotes, not updating: DG-13 data quality" in out


def test_programs_get_one_document(capsys, journal):
    path = journal(CAUSES["DG-20"])
    code, out, err = call(capsys, path, "--json")
    told = json.loads(out)
    assert (code, err) == (ExitCode.FAILED, "")
    assert told["journal"]["path"] == str(path)
    assert (told["journal"]["lives"], told["journal"]["instruments"], told["not_recorded"]) == (1, ["ETH"], None)
    assert told["journal"]["records"] == sum(1 for _ in Reader(path.read_bytes()))
    assert {each["name"]: each["cause"] for each in told["playbooks"]} == {
        "orders": None,
        "stale": None,
        "position": "DG-20",
    }
    steps = told["playbooks"][2]["steps"]
    assert [each["verdict"] for each in steps] == ["fine", "fine", "fine", "this is it", "fine"]
    shown = [each for each in steps[3]["evidence"] if each["record"] is not None]
    records = list(Reader(path.read_bytes()))
    assert shown
    assert all(records[each["record"]].now == round(each["t_s"] * 1e9) for each in shown)


def test_a_journal_of_another_trader_is_not_called_clean(capsys, journal):
    """Only its position playbook finds something in the bare record; the others could not be asked."""
    path = journal(CAUSES["DG-19"])
    code, out, err = call(capsys, path, "--playbook", "orders")
    assert code == ExitCode.REPLAY_DIFFERS
    assert "orders not sending: nothing found in what is recorded" in out
    assert out.count("not recorded") == 5
    assert "the trader of this makerlab decides otherwise than the journal says" in err
    with installed(CAUSES["DG-19"].missing):
        assert call(capsys, path, "--playbook", "orders")[0] == ExitCode.OK


def test_a_torn_journal_is_diagnosed_up_to_where_it_is_torn(capsys, journal):
    path = journal(CAUSES["DG-07"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 4 // 5])
    code, out, err = call(capsys, path)
    assert code == ExitCode.FAILED
    assert "orders not sending: DG-07 rate limiter" in out
    assert "torn, " in err
    assert "what is before is diagnosed" in err


# --- wrong input --------------------------------------------------------------------------------


def refused(capsys, *arguments):
    code, out, err = call(capsys, *arguments)
    assert (code, out, err.count("\n")) == (ExitCode.WRONG_INPUT, "", 1), "one message"
    return err


def test_what_is_no_journal_is_named(capsys, tmp_path):
    assert "No such file" in refused(capsys, tmp_path / "none.mlj")
    assert "Is a directory" in refused(capsys, tmp_path)
    other = tmp_path / "other.mlj"
    for content, said in (
        (b"", "no records"),
        (b"hello world", "not a makerlab journal: it starts with b'hello world'"),
        (MAGIC.replace(b"1", b"9"), "journal format version 9, this makerlab reads version 1"),
        (MAGIC, "no records"),
        (MAGIC + encode(Took(Ns(0), StopRequested("x"))), "record 0 stands before any header"),
    ):
        other.write_bytes(content)
        assert said in refused(capsys, other)


def test_a_playbook_that_does_not_exist_is_named(capsys, tmp_path):
    """With the journal that does not, if it does not."""
    path = tmp_path / "x.mlj"
    path.write_bytes(b"hello")
    near = "--playbook: found 'ordres', want a playbook (did you mean orders?)"
    assert near in refused(capsys, path, "--playbook", "ordres")
    assert "want a playbook (orders, stale, position)" in refused(capsys, path, "--playbook", "latency")
    code, _, err = call(capsys, tmp_path / "none.mlj", "--playbook", "ordres")
    assert (code, len(err.splitlines())) == (ExitCode.WRONG_INPUT, 2)
    assert "No such file" in err
    assert near in err


def test_damage_in_the_middle_is_named(capsys, journal):
    """Readable records follow: it was not torn by a crash."""
    path = journal(CAUSES["DG-15"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert "journal is damaged: record" in refused(capsys, path)


def test_a_trader_or_an_event_of_another_version_is_named(capsys, journal):
    """A config key or a message that this makerlab does not have."""
    path = journal(CAUSES["DG-15"])
    header = next(iter(Reader(path.read_bytes()))).header
    config = {**header.config, "crystal_ball": True}
    kept = {name: getattr(header, name) for name in header.__struct_fields__}
    path.write_bytes(MAGIC + encode(Opened(type(header)(**{**kept, "config": config, "makerlab": "7.0"}))))
    said = refused(capsys, path)
    assert "its trader is one of makerlab 7.0, this is " in said
    assert "crystal_ball" in said
    known = encode(Took(Ns(0), StopRequested("x")))
    payload = known[FRAME.size :].replace(b"StopRequested", b"StopSuspected")
    path.write_bytes(MAGIC + encode(Opened(header)) + FRAME.pack(len(payload), crc32(payload)) + payload)
    assert "is intact but this makerlab does not know it" in refused(capsys, path)
