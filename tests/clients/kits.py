"""Kits, installed: each in a folder of its own, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

import pytest

from clients.table import Client, Kit

_SCRIPTS: Final = Path(__file__).with_name("scripts")
_INSTALL_S: Final = 300
_NPM_INSTALL: Final = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")


_PIP_INSTALL: Final = (
    *(sys.executable, "-m", "pip", "--python", "."),
    *("install", "--quiet", "--disable-pip-version-check", "--no-compile"),
)


class Kits:
    """
    Installs kits, and says how to run a script with one.

    Args:
        folder: Where to install them. What is there already is used as it is, so
            that newer versions come by removing it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, client: Client) -> list[str]:
        """
        Return the command line of a client, without way and prompt.

        Skips the test if its kit can't be installed.
        """
        folder = self._folder / client.kit.name
        self._install(client.kit, folder)
        if client.kit.is_node:
            # An import is looked up from where the program lies.
            for script in _SCRIPTS.glob("*.mjs"):
                shutil.copy(script, folder)
            return ["node", str(folder / client.script)]
        python = _python(folder) if client.kit.packages else sys.executable
        # Packages that warn about their own innards must not be in what is shown.
        return [python, "-W", "ignore", str(_SCRIPTS / client.script)]

    def _install(self, kit: Kit, folder: Path) -> None:
        done = folder / "installed"
        wanted = " ".join(kit.packages)
        if wanted and not (done.exists() and done.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if kit.is_node:
                (folder / "package.json").write_text('{"private": true}')
                _run(kit, [*_NPM_INSTALL, *kit.packages], folder)
            else:
                venv.create(folder, with_pip=False)
                _run(kit, [*_PIP_INSTALL, *kit.packages], folder)
            done.write_text(wanted)


def _python(folder: Path) -> str:
    return str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def _run(kit: Kit, command: list[str], folder: Path) -> None:
    failed = f"{kit.name} can't be installed here: "
    if shutil.which(command[0]) is None:
        pytest.skip(f"{failed}there is no {command[0]}")
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{failed}{command[0]} took more than {_INSTALL_S} s")
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"{failed}{exc.stderr.strip()[-500:]}")
