"""What CONTRIBUTING.md promises about the steps of a change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]

_ROW: Final = """
    Setting(
        name="greeting",
        help="What to say first.",
        expected="a text",
        convert=read_url,
        metavar="TEXT",
    ),"""
_FIELD: Final = """
    greeting: str = "Hello"
    # What to say first."""
_USES: Final = """
import json, sys
from pathlib import Path

import streamtape
from streamtape.pytest_plugin.options import _checked
from streamtape.server.config import adjust, recording_config, replaying_config
from streamtape.settings import Policy, resolve

settings = resolve()
print(json.dumps({
    "default": Policy().greeting,
    "file": replaying_config(settings, port=0).policy.greeting,
    "scope": replaying_config(settings, port=0).scopes["chat"].greeting,
    "record": recording_config(settings, port=0).policy.greeting,
    "argument": streamtape.replay("c", greeting="Argument").config.policy.greeting,
    "adjusted": adjust(Policy(), {"greeting": "Adjusted"}).greeting,
    "marker": _checked({"greeting": "Marker"}, "@pytest.mark.streamtape"),
}))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the project that may be changed."""
    for name in ("cassettes", "docs", "scripts", "src", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for page in ROOT.glob("*.md"):
        shutil.copy(page, tmp_path)
    return tmp_path


def run(clone: Path, *command: str, **environ: str) -> str:
    """Run Python in the copy, with its package, and return what it prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STREAMTAPE_")}
    environ = {**kept, "PYTHONPATH": str(clone / "src"), **environ}
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=clone,
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def put(path: Path, place: str, text: str) -> None:
    """Put a text in front of a place that is there."""
    before, found, after = path.read_text(encoding="utf-8").partition(place)
    assert found
    path.write_text(before + text + found + after, encoding="utf-8")


def shown(clone: Path, *flags: str, **environ: str) -> Any:
    return json.loads(
        run(clone, "-m", "streamtape", "config", "--json", *flags, **environ)
    )["greeting"]


def test_a_setting_is_added_in_three_steps(clone: Path) -> None:
    """A row, a field and `make docs`: then it is wherever a setting can be."""
    guide = (clone / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = guide.partition("## Add a setting\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d\. .*", section, re.MULTILINE)
    assert [re.findall(r"settings/\w+\.py|make docs", step) for step in steps] == [
        ["settings/table.py"],
        ["settings/policy.py"],
        ["make docs"],
    ]

    settings = clone / "src" / "streamtape" / "settings"
    put(settings / "table.py", "\n)\n\nSETTINGS: Final", _ROW)
    put(settings / "policy.py", "\n    pacing: Pacing", _FIELD)
    run(clone, "scripts/make_docs.py")

    for page in ("cli", "configuration", "pytest"):
        assert "What to say first." in (clone / f"docs/{page}.md").read_text("utf-8")
    for command in ("record", "replay", "config"):
        assert "--greeting TEXT" in run(clone, "-m", "streamtape", command, "--help")
    assert shown(clone) == {"value": None, "source": "default"}
    assert shown(clone, "--greeting", "Hi") == {"value": "Hi", "source": "--greeting"}
    assert shown(clone, STREAMTAPE_GREETING="Hey") == {
        "value": "Hey",
        "source": "STREAMTAPE_GREETING",
    }
    (clone / "streamtape.toml").write_text(
        'greeting = "File"\n[scopes.chat]\ngreeting = "Scope"\n', encoding="utf-8"
    )
    assert shown(clone) == {"value": "File", "source": "streamtape.toml"}
    assert json.loads(run(clone, "-c", _USES)) == {
        "default": "Hello",
        "file": "File",
        "scope": "Scope",
        "record": "File",
        "argument": "Argument",
        "adjusted": "Adjusted",
        "marker": {"greeting": "Marker"},
    }
