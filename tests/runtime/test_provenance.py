"""Which makerlab a journal came from."""

import platform
import subprocess

from domain.instrument import Instrument
from domain.units import InstrumentId
from runtime.provenance import git_commit, make_header, package_version


def test_the_header_says_what_ran():
    """Protects the reproduction of a run: seed, config, instruments, versions."""
    instrument = Instrument(id=InstrumentId("ETH"), sz_decimals=4)
    header = make_header(5, {"desk": {"gamma": 0.1}}, [instrument], "calm")
    assert (header.seed, header.scenario, header.config) == (5, "calm", {"desk": {"gamma": 0.1}})
    assert header.instruments == (instrument,)
    assert header.python == platform.python_version()
    assert header.packages["msgspec"] == package_version("msgspec")
    assert header.makerlab


def test_a_commit_only_of_our_own_working_tree(tmp_path):
    """Protects against the commit of whatever repository surrounds an installed wheel, and says what was changed."""

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    inner = tmp_path / "site-packages"
    inner.mkdir()
    assert git_commit(tmp_path) is None
    git_commit.cache_clear()
    git("init")
    assert git_commit(tmp_path) is None, "nothing committed yet"
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    git_commit.cache_clear()
    commit = git_commit(tmp_path)
    assert len(commit) == 40
    assert git_commit(inner) is None
    (tmp_path / "file").write_text("2")
    git_commit.cache_clear()
    assert git_commit(tmp_path) == f"{commit}+"


def test_a_missing_package_has_no_version():
    """Protects a smaller installation."""
    assert package_version("surely-not-installed") is None
