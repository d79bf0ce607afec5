"""
Run the tests on other versions than the locked ones.

    python scripts/try_versions.py newest     the newest version of everything
    python scripts/try_versions.py oldest     the lowest that pyproject.toml promises
    python scripts/try_versions.py pythons    every Python that is promised and is here

Where tests fail, a table says which package's version made them fail: one package at
a time goes back to its locked version, and the failed tests are run again. The exit
status is 1 if a test failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from environment import plain_environment

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements" / "dev.txt"
VENVS: Final = ROOT / ".venvs"
UV: Final = str(Path(sys.executable).with_name("uv"))
NOT_SLOW: Final = "not slow and not node and not clients"

RESOLUTIONS: Final = {"newest": "highest", "oldest": "lowest-direct"}
"""How uv calls what is asked for."""

_PYTHON: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")

Versions = Mapping[str, str]
"""Versions by the names of packages."""


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run of the tests came to."""

    failed: list[str]
    """The ids of tests."""
    is_whole: bool
    """Whether the tests were run to their end."""


@dataclass(slots=True)
class Row:
    """A package whose version makes tests fail."""

    name: str
    locked: str = ""
    tried: str = ""
    failed: list[str] = field(default_factory=list)


class Environment:
    """
    A virtual environment with streamtape in it, and the tests.

    Args:
        name: Of its folder in ``.venvs``.
        python: A version of Python, or the path of one.
    """

    def __init__(self, name: str, python: str) -> None:
        self.folder = VENVS / name
        uv("venv", "--clear", "--python", python, str(self.folder))

    def install(self, packages: Versions) -> None:
        """Make it hold just these packages, and streamtape."""
        pins = "\n".join(f"{name}=={version}" for name, version in packages.items())
        uv("pip", "sync", "-", *self._here, given=pins)
        self._install_ourselves()

    def install_lock(self) -> None:
        """Make it hold just what the lock says for its Python, and streamtape."""
        uv("pip", "sync", str(LOCK), *self._here)
        self._install_ourselves()

    def put_back(self, row: Row) -> None:
        """Install the locked version of one package, and what that one needs."""
        uv("pip", "install", f"{row.name}=={row.locked}", *self._here)

    def test(self, tests: Sequence[str] = ()) -> Run:
        """Run the quick tests, or those that are named."""
        cache = self.folder / "pytest-cache"
        last_failed = cache / "v" / "cache" / "lastfailed"
        last_failed.unlink(missing_ok=True)
        command = [str(self.folder / "bin" / "pytest"), "-q", "-n", "auto"]
        command += ["--dist", "worksteal", "-m", NOT_SLOW, "-o", f"cache_dir={cache}"]
        command += ["--continue-on-collection-errors"]
        # The ids are too many for a command line.
        names = self.folder / "tests.txt"
        names.write_text("\n".join(tests))
        command += [f"@{names}"] if tests else []
        status = subprocess.run(command, cwd=ROOT, env=plain_environment()).returncode
        failed = json.loads(last_failed.read_text()) if last_failed.exists() else {}
        return Run(failed=sorted(failed), is_whole=status in (0, 1))

    def _install_ourselves(self) -> None:
        uv("pip", "install", "--no-deps", "--editable", ".", *self._here)

    @property
    def _here(self) -> tuple[str, str]:
        return "--python", str(self.folder / "bin" / "python")


def uv(*arguments: str, given: str | None = None) -> str:
    """Run uv and return what it prints; what goes wrong ends the program."""
    command = [UV, "--quiet", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"uv {' '.join(arguments[:2])} ended with status {done.returncode}")
    return done.stdout


def locked_versions() -> Versions:
    """Return what the lock holds for this Python and system."""
    return dict(_pins(LOCK.read_text()))


def resolved_versions(resolution: str) -> Versions:
    """Return what uv finds for the tests on this Python and system."""
    # Only what tests need: another tool may ask for more than the lowest of something.
    command = ("pip", "compile", "--no-header", "--no-annotate", "--group", "test")
    how = ("--resolution", resolution, "--python", sys.executable)
    return dict(_pins(uv(*command, *how, "pyproject.toml")))


def _pins(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        pin = line.partition("#")[0].strip()
        if not pin:
            continue
        requirement = Requirement(pin)
        if requirement.marker is None or requirement.marker.evaluate():
            (specifier,) = requirement.specifier
            yield requirement.name, specifier.version


def find_causes(
    environment: Environment, tried: Versions, failed: Sequence[str]
) -> list[Row]:
    """
    Put the packages that differ back one by one, and run the failed tests each time.
    """
    locked = locked_versions()
    rows: list[Row] = []
    left = set(failed)
    # What fails whatever the versions are has another cause.
    again = set(environment.test(failed).failed)
    environment.install(locked)
    anyway = set(environment.test(failed).failed)
    for said, tests in (
        ("none: they passed when run again", left - again),
        ("none: they fail on the locked versions too", anyway & again),
    ):
        if tests:
            rows.append(Row(said, failed=sorted(tests)))
            left -= tests
    for name, version in tried.items():
        if not left:
            break
        if name not in locked or locked[name] == version:
            continue
        row = Row(name, locked[name], version)
        environment.install(tried)
        environment.put_back(row)
        run = environment.test(sorted(left))
        row.failed = sorted(left - set(run.failed)) if run.is_whole else []
        if row.failed:
            rows.append(row)
            left -= set(row.failed)
    if left:
        rows.append(Row("several packages together", failed=sorted(left)))
    return rows


def try_versions(which: str) -> bool:
    """
    Run the tests on the newest or oldest versions, print the table; False if any fails.
    """
    locked, tried = locked_versions(), resolved_versions(RESOLUTIONS[which])
    environment = Environment(which, sys.executable)
    environment.install(tried)
    run = environment.test()
    rows = find_causes(environment, tried, run.failed) if run.failed else []
    changes = sum(locked.get(name) != version for name, version in tried.items())
    table = Table("package", "locked", which, "tests that fail with it")
    for row in rows:
        shown = "\n".join([f"{len(row.failed):,}", *row.failed[:20]])
        table.add_row(row.name, row.locked, row.tried, shown)
    console = Console()
    console.print(f"{changes} of {len(tried)} packages differ from the lock")
    if rows:
        console.print(table)
    elif run.is_whole:
        console.print(f"all tests pass on the {which} versions")
    else:
        console.print(f"the tests could not be run on the {which} versions; see above")
    return run.is_whole and not rows


def find_python(version: str) -> str | None:
    """Return the path of a Python of this machine, or None if it has none such."""
    environment = plain_environment()
    # The commands that pyenv puts in the path answer for one of its Pythons only.
    root = Path(environment.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = [*map(str, sorted(root.glob("versions/*/bin"))), environment["PATH"]]
    environment["PATH"] = os.pathsep.join(pythons)
    command = (UV, "python", "find", "--no-python-downloads", "--no-project")
    found = subprocess.run(
        [*command, "--system", version],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None if found.returncode == 0 else None


def try_pythons() -> bool:
    """Run the tests on each promised Python that is here; False if any fails."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    promised = _PYTHON.findall("\n".join(project["project"]["classifiers"]))
    table = Table("Python", "tests")
    is_good = True
    for version in promised:
        python = find_python(version)
        if python is None:
            table.add_row(version, "not tried: this machine does not have it")
            continue
        environment = Environment(f"python{version}", python)
        environment.install_lock()
        run = environment.test()
        is_good &= run.is_whole and not run.failed
        failed = "\n".join([f"{len(run.failed):,} failed", *run.failed[:20]])
        table.add_row(version, failed if run.failed else _word(run))
    Console().print(table)
    return is_good


def _word(run: Run) -> str:
    return "passed" if run.is_whole else "could not be run; see above"


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", choices=[*RESOLUTIONS, "pythons"])
    which: str = parser.parse_args().which
    is_good = try_pythons() if which == "pythons" else try_versions(which)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
