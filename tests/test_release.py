"""
What a release stands on: the name to install.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
OTHER_PROJECT: Final = re.compile(
    r"\b(?:pipx?|uv|uvx)\b[^\n]* [\"']?streamtape(?:[\"' \[=<>~`;,]|$)", re.MULTILINE
)
"""A command that installs what the package index calls ``streamtape``."""


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

    for path in ("README.md", "src/streamtape/cli/_conversation.py"):
        assert named in (ROOT / path).read_text(encoding="utf-8")
