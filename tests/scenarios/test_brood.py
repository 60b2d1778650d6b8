"""Forked children: bounded, heard whatever they say, never left behind, and no trouble to the parent."""

import os
import signal
import sys
from time import monotonic

import pytest

from domain.errors import ConfigError
from scenarios import brood as brood_module
from scenarios.brood import Brood

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

LONG = bytes(range(256)) * 4_096
"""Longer than any pipe holds."""


def raise_brood(most, children):
    """One child for each entry, which does what the entry says; what was heard, by the key."""
    heard = {}
    with Brood(most, heard.__setitem__) as brood:
        for key, child in enumerate(children):
            if brood.fork(key):
                child(brood)
                os._exit(77)
        brood.gather()
    return heard


def says(word):
    return lambda brood: brood.hand_in(word)


@pytest.fixture(autouse=True)
def born(monkeypatch):
    """The processes that a test forks; none of them is left when it ends."""
    pids, fork = [], os.fork

    def note():
        pid = fork()
        pids.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", note)
    yield
    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_every_word_is_heard(most):
    """Also one that is longer than a pipe holds, and none at all."""
    words = [b"", b"one", LONG, b"three", LONG[::-1]]
    assert raise_brood(most, map(says, words)) == dict(enumerate(words))


def test_how_one_ended_that_said_nothing():
    """A child that dies is a finding, not a riddle."""
    ends = [
        lambda _: os._exit(3),
        lambda _: os.kill(os.getpid(), signal.SIGKILL),
        lambda _: signal.raise_signal(signal.SIGPROF),
    ]
    assert raise_brood(2, ends) == {0: "exit code 3", 1: "SIGKILL", 2: "SIGPROF: not done after 300 s of a processor"}


def spin(_):
    while True:
        pass


def test_a_child_that_goes_round_in_circles_is_ended(monkeypatch):
    """By what it takes of a processor: nobody waits for it without end."""
    monkeypatch.setattr(brood_module, "LIMIT_S", 0.1)
    assert raise_brood(1, [spin]) == {0: "SIGPROF: not done after 0.1 s of a processor"}


def test_no_more_than_so_many_at_a_time(tmp_path):
    """Each child counts those that live, itself included."""

    def child(brood):
        mine = tmp_path / str(os.getpid())
        mine.touch()
        most, end = 1, monotonic() + 1
        while most < 2 and monotonic() < end:  # as long as others may be born meanwhile
            most = max(most, len(list(tmp_path.iterdir())))
        mine.unlink()
        brood.hand_in(bytes([most]))

    heard = raise_brood(2, [child] * 6)
    assert len(heard) == 6
    assert max(word[0] for word in heard.values()) == 2


def test_an_error_of_the_parent_leaves_none_behind():
    """Ctrl-C, too: the children are ended and waited for."""

    def try_and_fail():
        with Brood(3, lambda *_: None) as brood:
            for key in range(3):
                if brood.fork(key):
                    signal.pause()
                    os._exit(77)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        try_and_fail()


def test_an_error_of_a_child_stays_in_the_child():
    """It does not run on through what is the parent's: the lines behind the block are reached once."""
    reads, writes = os.pipe()

    def raise_in_child():
        heard = {}
        with Brood(1, heard.__setitem__) as brood:
            if brood.fork(0):
                raise ValueError
            brood.gather()
        return heard

    heard = raise_in_child()
    os.write(writes, b"x")
    os.close(writes)
    assert os.read(reads, 10) == b"x"
    os.close(reads)
    assert heard == {0: "exit code 1"}


def test_what_a_child_prints_is_not_seen(capfd):
    """And what the parent had printed and not flushed is not printed twice."""

    def child(brood):
        os.write(1, b"child")
        os.write(2, b"child")
        sys.stdout.write("child\n")
        sys.stdout.flush()
        brood.hand_in(b"done")

    sys.stdout.write("parent\n")
    assert raise_brood(1, [child, child]) == {0: b"done", 1: b"done"}
    assert capfd.readouterr() == ("parent\n", "")


def test_an_interrupt_is_the_parents_affair():
    """Ctrl-C goes to every process of a terminal; a child goes on until it is ended."""

    def child(brood):
        signal.raise_signal(signal.SIGINT)
        brood.hand_in(b"still here")

    assert raise_brood(1, [child]) == {0: b"still here"}


def test_a_system_without_fork_is_named(monkeypatch):
    """One line, before anything runs."""
    monkeypatch.delattr(os, "fork")
    with pytest.raises(ConfigError, match="has no fork, want a system on which a process can be forked"):
        Brood(1, lambda *_: None)
