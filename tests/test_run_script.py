"""`./run` sets itself up or says in one line why it cannot.

A stub interpreter stands in for Python: it answers the script's questions and writes down what it was asked to do, so
nothing is installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["cat", "chmod", "cksum", "cp", "dirname", "mkdir", "mv", "rm", "sh"]

# It makes a .venv whose interpreter is a copy of itself, and installs by putting a command into it.
STUB = """#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
case "$*" in
    *version_info*) [ "${STUB_OLD-}" != yes ] ;;
    *'import ensurepip'*) [ "${STUB_NO_VENV-}" != yes ] ;;
    *'import pip'*) [ -e "${0%/*}/pip" ] ;;
    *sys.executable*) echo "$0" ;;
    *base_prefix*) echo "stub ${STUB_VERSION-1}" ;;
    '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && : >"$3/bin/pip" ;;
    '-m pip install '*)
        [ "${STUB_PIP_FAILS-}" != yes ] || exit 1
        printf '#!/bin/sh\\necho "makerlab in $PWD: $*"\\n' >"${0%/*}/makerlab"
        chmod +x "${0%/*}/makerlab" ;;
    '-m pytest '*) echo "pytest in $PWD: $*" ;;
esac
"""


class House:
    """A copy of the script beside stub metadata, run with next to nothing in the environment."""

    def __init__(self, folder):
        self.root = folder / "a house"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.root.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "run", self.root)
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copyfile(ROOT / name, self.root / name)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_python("python3")

    def add_python(self, name):
        (self.bin / name).write_text(STUB)
        (self.bin / name).chmod(0o755)

    def run(self, *args, cwd=None, **env):
        self.log.write_text("")
        return subprocess.run(
            [self.root / "run", *args],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin), "LOG": str(self.log), **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def did(self, what):
        return what in self.log.read_text()


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_the_first_run_installs_and_the_second_does_not(house):
    first = house.run("demo", "--seed", "1")
    assert (first.returncode, first.stdout) == (0, f"makerlab in {house.root}: demo --seed 1\n")
    assert house.did("-m venv")
    assert house.did("-c constraints.txt -e .[all,dev]")
    second = house.run("demo")
    assert (second.returncode, second.stderr) == (0, "")
    assert house.log.read_text() == ""


def test_commands_run_where_the_user_stands_and_tests_at_the_root(house, tmp_path):
    assert house.run("run", "x.toml", cwd=tmp_path).stdout == f"makerlab in {tmp_path}: run x.toml\n"
    assert house.run("test", "-k", "x", cwd=tmp_path).stdout == f"pytest in {house.root}: -m pytest -n auto -k x\n"


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_metadata_is_installed_into_the_same_venv(house, name):
    house.run("demo")
    with (house.root / name).open("a") as file:
        file.write("# changed\n")
    assert house.run("demo").returncode == 0
    assert house.did("-m pip install")
    assert not house.did("-m venv")


def test_a_moved_checkout_is_installed_again(house, tmp_path):
    house.run("demo")
    house.root = house.root.rename(tmp_path / "elsewhere")
    assert house.run("demo").stdout == f"makerlab in {house.root}: demo\n"
    assert house.did("-m pip install")


def test_a_failed_installation_starts_nothing_and_is_tried_again(house):
    failed = house.run("demo", STUB_PIP_FAILS="yes")
    assert failed.returncode != 0
    assert failed.stdout == ""
    assert "installation failed" in failed.stderr
    assert house.run("demo").returncode == 0
    assert house.did("-m pip install")


def test_a_half_made_venv_is_made_anew(house):
    """An interruption can leave a folder without an interpreter, or an interpreter without pip."""
    (house.root / ".venv/bin").mkdir(parents=True)
    assert house.run("demo").returncode == 0
    assert house.did("-m venv")
    (house.root / ".venv/bin/pip").unlink()
    (house.root / ".venv/.makerlab-stamp").unlink()
    (house.root / ".venv/rubble").touch()
    assert house.run("demo").returncode == 0
    assert house.did("-m venv")
    assert not (house.root / ".venv/rubble").exists()


def add_uv(house):
    """A uv whose environments have no pip, like the real one's."""
    uv = house.bin / "uv"
    uv.write_text(
        '#!/bin/sh\necho "uv $*" >>"$LOG"\ncase "$1" in venv) python3 -m venv "$5"; rm "$5/bin/pip";;'
        ' pip) [ "${UV_FAILS-}" != yes ] && exec "$5" -m pip install "$@";; esac\n'
    )
    uv.chmod(0o755)


def test_uv_is_used_where_it_is_installed(house):
    add_uv(house)
    assert house.run("demo").returncode == 0
    assert house.did(f"uv venv -q --python {house.bin / 'python3'} {house.root / '.venv'}")
    assert house.did("uv pip install -q --python")
    assert house.run("demo").stderr == ""


def test_where_uv_fails_pip_is_tried(house):
    """A company's certificates or mirrors are often known to pip alone."""
    add_uv(house)
    done = house.run("demo", UV_FAILS="yes")
    assert (done.returncode, done.stdout) == (0, f"makerlab in {house.root}: demo\n")
    assert house.did("python3 -m venv")
    assert "trying pip" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(house):
    (house.bin / "python3").write_text("#!/bin/sh\nexit 1\n")
    house.add_python("python3.12")
    assert house.run("demo").returncode == 0
    assert house.did("python3.12 -m venv")


def test_another_python_on_request_means_another_venv(house):
    house.run("demo")
    house.add_python("python3.13")
    assert house.run("demo", PYTHON="python3.13", STUB_VERSION="1").returncode == 0
    assert not house.did("-m venv")  # the same installation by another name
    (house.bin / "python3.13").write_text(STUB.replace("STUB_VERSION-1", "STUB_VERSION-2"))
    assert house.run("demo", PYTHON="python3.13").returncode == 0
    assert house.did("python3.13 -m venv")


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"STUB_OLD": "yes"}, "makerlab needs Python 3.11 or newer, and none was found"),
        ({"STUB_OLD": "yes", "PYTHON": "python3"}, "PYTHON=python3 is too old"),
        ({"PYTHON": "no-such-python"}, "PYTHON=no-such-python: no such command"),
        ({"STUB_NO_VENV": "yes"}, "apt install python3-venv"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line(house, env, says):
    refused = house.run("demo", **env)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (house.root / ".venv").exists()


def test_no_python_at_all(house):
    (house.bin / "python3").unlink()
    refused = house.run("demo")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.skipif(not os.access("/bin/dash", os.X_OK), reason="no dash here")
def test_the_script_is_plain_sh():
    assert subprocess.run(["/bin/dash", "-n", ROOT / "run"], check=False).returncode == 0
