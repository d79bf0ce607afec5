"""What a release stands on: the changelog, the version, and the name to install."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Final

from streamtape import __version__

ROOT: Final = Path(__file__).parents[1]
CHANGELOG: Final = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADING: Final = re.compile(
    r"## \[(\d+)\.(\d+)\.(\d+)\] - (Unreleased|\d{4}-\d\d-\d\d)"
)
OTHER_PROJECT: Final = re.compile(
    r"\b(?:pipx?|uv|uvx)\b[^\n]* [\"']?streamtape(?:[\"' \[=<>~`;,]|$)", re.MULTILINE
)
"""A command that installs what the package index calls ``streamtape``."""


def test_the_changelog_begins_with_this_version() -> None:
    """Each version has a heading and a date; the newest may have its date to come."""
    lines = [line for line in CHANGELOG.splitlines() if line.startswith("## ")]
    headings = [HEADING.fullmatch(line) for line in lines]

    assert None not in headings
    versions = [tuple(map(int, each.groups()[:3])) for each in headings if each]
    dates = [each[4] for each in headings if each]
    assert ".".join(map(str, versions[0])) == __version__
    assert versions == sorted(set(versions), reverse=True)
    released = [date.fromisoformat(each) for each in dates if each != "Unreleased"]
    assert "Unreleased" not in dates[1:]
    assert released == sorted(released, reverse=True)


def test_no_page_installs_another_project() -> None:
    """The index's ``streamtape`` is not ours; a reader installs ours, or a clone."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")]

    assert OTHER_PROJECT.search("pip install 'streamtape[anthropic]'")
    assert OTHER_PROJECT.search("$ pipx install --force streamtape\n")
    found = [
        f"{page.relative_to(ROOT)}: {match[0]}"
        for page in pages
        for match in OTHER_PROJECT.finditer(page.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_what_the_demo_says_to_install_is_this_package() -> None:
    """README and the demo name the extra as pyproject.toml does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [extra] = project["project"]["optional-dependencies"]
    named = f"{project['project']['name']}[{extra}]"

    for path in ("README.md", "src/streamtape/cli/demo.py"):
        assert named in (ROOT / path).read_text(encoding="utf-8")
