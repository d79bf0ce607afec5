"""
Install what ``make build`` has made as its users do, and try what was installed.

    python scripts/try_package.py            as `make package`
    python scripts/try_package.py --tests    as `make package-tests`

At first the files in the sdist and the wheel are compared with what should be there.
Then the wheel is installed with pip and the sdist with pipx, each where nothing else
is, and the commands, the library and the pytest plugin are used there. With
``--tests`` the sdist is unpacked where there is no git and passes its own tests.

The first thing that is not as it should be ends the program with status 1.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from environment import plain_environment
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text
from streamtape.version import __version__

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
NAME: Final = "streamtape-proxy"
"""What pip and pipx call it."""

STEM: Final = f"streamtape_proxy-{__version__}"
"""How the names of its files begin."""

SDIST: Final = DIST / f"{STEM}.tar.gz"
WHEEL: Final = DIST / f"{STEM}-py3-none-any.whl"
DIST_INFO: Final = f"{STEM}.dist-info/"

METADATA: Final = (
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
)
"""What a wheel holds besides the package."""

HELLO: Final = "Hello from the recording."

CLIENT: Final = """
import os
import urllib.request

body = (
    b'{"model": "claude-demo", "max_tokens": 9, "stream": true,'
    b' "messages": [{"role": "user", "content": "Hello!"}]}'
)
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
request = urllib.request.Request(url, body, {"content-type": "application/json"})
with urllib.request.urlopen(request) as response:
    print(response.read().decode())
"""
"""A program that asks one question and prints the events that it gets."""

IMPORTS: Final = """
import importlib
import importlib.util
import pkgutil

import streamtape

for name in ("pytest", "anthropic"):
    assert importlib.util.find_spec(name) is None, f"{name} is installed"
for module in pkgutil.walk_packages(streamtape.__path__, "streamtape."):
    if "pytest_plugin" not in module.name and module.name != "streamtape.__main__":
        importlib.import_module(module.name)
with streamtape.replay("cassettes", speed="instant") as server:
    print(server.base_url)
"""
"""Imports all but the plugin where there is neither pytest nor the SDK."""

TYPED: Final = "import streamtape\nreveal_type(streamtape.open('a.tape').text)"
REVEALED: Final = 'Revealed type is "str"'

_MARKED: Final = re.compile(
    r"^```python\n((?:(?!```).)*?@pytest\.mark.*?)^```", re.S | re.M
)
_REMEDY: Final = re.compile(r"(pip) install '(.+)'; with pipx: (pipx inject .+)")


def run(
    *command: str | Path,
    folder: Path,
    status: int = 0,
    extra: Mapping[str, str] | None = None,
) -> str:
    """
    Run a command and return all that it prints; another status ends the program.

    Args:
        extra: Variables to set besides the plain environment's.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env={**plain_environment(), **(extra or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != status:
        said = " ".join(map(str, command))
        sys.exit(
            f"{done.stdout}\n{said}\nended with status {done.returncode}, not {status}"
        )
    return done.stdout


def expect(wanted: str, output: str, what: str) -> None:
    """End the program if the output lacks what is wanted."""
    if wanted not in output:
        sys.exit(f"{output}\n{what} should have printed: {wanted}")


def compare(found: Iterable[str], wanted: Iterable[str], place: str) -> None:
    """End the program if a place holds other files than it should."""
    found, wanted = set(found), set(wanted)
    lines = [f"{place} has {name}, which it should not" for name in found - wanted]
    lines += [f"{place} lacks {name}" for name in wanted - found]
    if lines:
        sys.exit("\n".join(sorted(lines)))


def check_files(folder: Path) -> Path:
    """Compare what was built with what should be in it; return the unpacked sdist."""
    built = sorted(path.name for path in DIST.iterdir())
    compare(built, [SDIST.name, WHEEL.name], "dist/")
    with tarfile.open(SDIST) as sdist:
        sdist.extractall(folder, filter="data")
    unpacked = folder / STEM
    held = {
        path.relative_to(unpacked).as_posix()
        for path in unpacked.rglob("*")
        if not path.is_dir()
    }
    if (ROOT / ".git").exists() and shutil.which("git"):
        tracked = run("git", "ls-files", "-z", folder=ROOT).split("\0")
        compare(held, ["PKG-INFO", *filter(None, tracked)], "the sdist")
        print(f"the sdist holds the {len(held) - 1} files that git has")
    else:
        print(f"the sdist holds {len(held)} files; without git nothing tells if all")
    packed = {name.removeprefix("src/") for name in held if name.startswith("src/")}
    wanted = {name for name in packed if not name.endswith("ruff.toml")}
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
    compare(names, wanted | {DIST_INFO + name for name in METADATA}, "the wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", folder=unpacked)
    if (unpacked / "dist" / WHEEL.name).read_bytes() != WHEEL.read_bytes():
        sys.exit("the wheel that the sdist makes is not the one in dist/")
    shutil.rmtree(unpacked / "dist")
    print(f"the wheel holds {len(names)} files, and the sdist makes the same one")
    return unpacked


def use_commands(streamtape: Path, folder: Path) -> None:
    """Record a client, look at its cassette and replay it, in an empty folder."""
    version = run(streamtape, "--version", folder=folder)
    expect(f"streamtape, version {__version__}\n", version, "streamtape --version")
    client = ("--", sys.executable, "-c", CLIENT)
    with FakeUpstream([stream_reply(text(HELLO), profile=INSTANT)]) as upstream:
        record = (streamtape, "record", "--upstream", upstream.url)
        recorded = run(*record, *client, folder=folder)
    expect("event: message_stop", recorded, "streamtape record")
    [cassette] = (folder / "cassettes").glob("*.tape")
    expect(cassette.stem, run(streamtape, "ls", folder=folder), "streamtape ls")
    shown = run(streamtape, "show", cassette.stem, folder=folder)
    expect(HELLO, shown, "streamtape show")
    run(streamtape, "check", folder=folder)
    replayed = run(streamtape, "replay", *client, folder=folder)
    expect("event: message_stop", replayed, "streamtape replay")


def use_demo(streamtape: Path, folder: Path) -> None:
    """Run the demo where the SDK is."""
    shown = run(streamtape, "demo", folder=folder)
    expect("instant", shown, "streamtape demo")
    if "DIFFERENT" in shown:
        sys.exit(f"{shown}\nstreamtape demo should have replayed what it recorded")


def read_remedy(streamtape: Path, folder: Path) -> tuple[str, list[str]]:
    """
    Run the demo where there is no SDK; return what it says to install.

    Returns:
        The argument for ``pip install``, and the words of the command for pipx.
    """
    told = run(streamtape, "demo", folder=folder, status=2)
    found = _REMEDY.search(told)
    if found is None or told.splitlines()[-1].count("Error: ") != 1:
        sys.exit(f"{told}\nstreamtape demo should have said what to install")
    return found[2], found[3].split()


def try_pip(folder: Path, unpacked: Path) -> None:
    """Install the wheel with pip, use it alone, then with the SDK and with pytest."""
    python = make_venv(folder / "venv")
    streamtape = python.with_name("streamtape")
    place = empty(folder / "pip")
    run(python, "-m", "pip", "install", WHEEL, folder=place)
    use_commands(streamtape, place)
    run(python, "-W", "error", "-c", IMPORTS, folder=place)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    expect(REVEALED, run(*mypy, "-c", TYPED, folder=place), "mypy")
    print(f"pip install {WHEEL.name}: the commands, the library and its types work")
    remedy, _ = read_remedy(streamtape, place)
    run(python, "-m", "pip", "install", remedy, "pytest", folder=place)
    use_demo(streamtape, place)
    print(f"pip install '{remedy}': the demo works")
    use_plugin(python, empty(folder / "pytest"), unpacked)
    print("pip install pytest: the plugin passes README's first test")


def use_plugin(python: Path, place: Path, unpacked: Path) -> None:
    """Run the first test of README against the shipped cassettes."""
    found = _MARKED.search((unpacked / "README.md").read_text(encoding="utf-8"))
    if found is None:
        sys.exit("README.md should have an example with @pytest.mark.streamtape")
    (place / "test_it.py").write_text(found[1], encoding="utf-8")
    [name] = re.findall(r"^def (test_\w+)", found[1], re.MULTILINE)
    shutil.copytree(unpacked / "cassettes", place / "cassettes" / "test_it" / name)
    expect("1 passed", run(python, "-m", "pytest", folder=place), "pytest")


def try_pipx(folder: Path) -> None:
    """Install the sdist with pipx, use it alone, then with the SDK."""
    python = make_venv(folder / "pipx-venv")
    place = empty(folder / "pipx")
    run(python, "-m", "pip", "install", "pipx", folder=place)
    homes = {
        "PIPX_HOME": str(folder / "pipx-home"),
        "PIPX_BIN_DIR": str(folder / "pipx-bin"),
        "PIPX_MAN_DIR": str(folder / "pipx-man"),
    }
    pipx = python.with_name("pipx")
    run(pipx, "install", "--python", sys.executable, SDIST, folder=place, extra=homes)
    streamtape = folder / "pipx-bin" / "streamtape"
    use_commands(streamtape, place)
    print(f"pipx install {SDIST.name}: the commands work")
    _, [_, *remedy] = read_remedy(streamtape, place)
    run(pipx, *remedy, folder=place, extra=homes)
    use_demo(streamtape, place)
    print(f"pipx {' '.join(remedy)}: the demo works")


def make_venv(folder: Path) -> Path:
    """Make a virtual environment with nothing but pip; return its Python."""
    run(sys.executable, "-m", "venv", folder, folder=folder.parent)
    return folder / "bin" / "python"


def empty(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir()
    return folder


def run_tests(unpacked: Path) -> None:
    """Run the tests of the unpacked sdist with what its own Makefile installs."""
    # On the command line, for the environment may name another Python or folder.
    command = ("make", "test", f"PYTHON={sys.executable}", "VENV=.venv")
    if subprocess.run(command, cwd=unpacked, env=plain_environment()).returncode:
        sys.exit("the tests of the sdist failed")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", action="store_true")
    with tempfile.TemporaryDirectory(prefix="streamtape-package-") as name:
        folder = Path(name)
        unpacked = check_files(folder)
        if parser.parse_args().tests:
            run_tests(unpacked)
        else:
            try_pip(folder, unpacked)
            try_pipx(folder)


if __name__ == "__main__":
    main()
