"""
What docs/pytest.md says is run: recorded from a fake API, then replayed without one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from streamtape.testing import (
    INSTANT,
    FakeUpstream,
    Reply,
    SeenRequest,
    json_reply,
    message_json,
    stream_reply,
    text,
)

_PAGE: Final = (Path(__file__).parents[1] / "docs" / "pytest.md").read_text("utf-8")
_BLOCK: Final = re.compile(r"^([^\n]*)\n\n```(\w+)\n(.*?)^```", re.S | re.M)
_KINDS: Final = {"python", "js", "ini", "toml", "yaml"}
_NAMED: Final = {
    name: code
    for name, kind, code in re.findall(
        r"`([\w./-]+)`:\n\n```(\w+)\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE
    )
    if kind in _KINDS
}
"""The files of the page, by their names."""

_TESTS: Final = sorted(name for name in _NAMED if name.startswith("test_"))
_NEEDS: Final = {"test_claude_code.py": "claude", "test_node.py": "node"}
"""Programs without which a test can't be run."""

_WORKFLOW: Final = ".github/workflows/test.yml"
_CONSOLE: Final = "".join(re.findall(r"^```console\n(.*?)^```", _PAGE, re.S | re.M))
_UNUSED: Final = ("anyio", "cacheprovider", "hypothesispytest", "randomly")
_QUIET: Final = ("-q", *(f"-pno:{each}" for each in _UNUSED))

_SETTINGS: Final = """
import socket

import pytest


def test_settings(pytestconfig):
    assert pytestconfig.getini("streamtape_unused") == "warn"
    ignored = pytestconfig.getini("streamtape_ignore")
    assert ignored == ["metadata", "$..cache_control"]
"""
"""A test of the ini values that the page shows in two forms."""

_OTHERS: Final = """
@pytest.mark.streamtape("{folder}")
def test_attributes(streamtape):
    import anthropic

    anthropic.Anthropic().messages.create(
        model="claude-demo",
        max_tokens=100,
        messages=[{{"role": "user", "content": "Say hello."}}],
    )
    assert [each for each in {attributes} if not hasattr(streamtape, each)] == []
    [one] = streamtape.interactions
    assert [each for each in {of_interactions} if not hasattr(one, each)] == []


def test_elsewhere():
    import pytest_socket

    with pytest.raises(pytest_socket.SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 80))
"""
"""Tests of what the page says in other words; a template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run of pytest over the files of the page."""

    output: str
    outcomes: dict[str, list[str]]
    """What became of the tests' requests, by the test's file."""
    failed: list[str]
    """The names of tests that failed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that holds the files of the page which can be used here."""
    folder = tmp_path_factory.mktemp("page")
    for name, code in _NAMED.items():
        if shutil.which(_NEEDS.get(name, sys.executable)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(code, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Ran:
    """The run that records."""
    with FakeUpstream(_answer) as api:
        given = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-mine"}
        return _run(folder, ["--streamtape-record"], given)


@pytest.fixture(scope="module")
def replayed(folder: Path, recorded: Ran) -> Ran:
    """The run of CI, without an API and with the network blocked."""
    others = _OTHERS.format(
        attributes=_column("Attribute"),
        of_interactions=_column("Attribute", table=1),
        folder="test_app/test_the_program_says_hello",
    )
    (folder / "test_others.py").write_text(_SETTINGS + others, encoding="utf-8")
    [ci] = re.findall(r"- run: pytest (.*)", _NAMED[_WORKFLOW])
    [block] = re.findall(r"^\$ pytest (--allow-hosts.*)", _CONSOLE, re.MULTILINE)
    return _run(folder, [*ci.split(), *block.split()], {"CI": "true"})


def test_every_block_is_used_or_says_why_not() -> None:
    blocks = _BLOCK.findall(_PAGE)
    assert len(blocks) == len(re.findall("^```\\w", _PAGE, re.MULTILINE))
    for before, kind, code in blocks:
        if kind not in _KINDS:
            assert kind in {"console", "text"}
            continue
        is_excused = before.rstrip().endswith("-->")
        assert is_excused or _NAMED.get(before.strip("`:").rpartition("`")[2]) == code
    assert set(_NAMED) >= {"conftest.py", "pytest.ini", "pyproject.toml", _WORKFLOW}


@pytest.mark.slow
@pytest.mark.parametrize("name", _TESTS)
def test_it_is_recorded_and_then_replayed_offline(
    name: str, recorded: Ran, replayed: Ran
) -> None:
    if shutil.which(needed := _NEEDS.get(name, sys.executable)) is None:
        pytest.skip(f"there is no {needed} here")
    module = Path(name).stem

    assert set(recorded.outcomes[module]) == {"RECORDED"}, recorded.output
    assert set(replayed.outcomes[module]) == {"HIT"}, replayed.output
    assert [each for each in replayed.failed if each.startswith(module)] == []


@pytest.mark.slow
def test_attributes_and_blocked_hosts_are_as_said(replayed: Ran) -> None:
    assert replayed.failed == [], replayed.output
    assert replayed.outcomes["test_others"] == ["HIT"]


def test_the_words_of_the_marker_and_the_settings_are_taken(tmp_path: Path) -> None:
    settings = _NAMED["pyproject.toml"]
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    wrong = "@pytest.mark.streamtape(zzz=1)\ndef test_wrong(): pass\n"
    (tmp_path / "test_it.py").write_text(_SETTINGS + wrong, encoding="utf-8")
    ran = _pytest(tmp_path, ["--strict-config"], {})
    [listed] = set(re.findall(r"unknown word 'zzz'; (.*)", ran.stdout))

    assert "1 passed, 1 error" in ran.stdout
    assert sorted(_column("Word")) == sorted(listed.split(", "))


def test_options_and_ini_values_are_those_of_the_help(tmp_path: Path) -> None:
    usage = _pytest(tmp_path, ["--help"], {}).stdout
    words = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage))
    used = re.findall(r"^\$ pytest.*|- run: pytest.*", _PAGE, re.MULTILINE)
    options = {each for line in used for each in re.findall(r" (--?[a-z-]+)", line)}
    ours = {each for each in words if each.startswith("--streamtape-")}

    assert options <= words
    assert ours == {each.partition("=")[0] for each in _column("On the command line")}
    assert sorted(_column("In `pytest.ini` or `pyproject.toml`")) == sorted(
        re.findall(r"^  (streamtape_\w+) \(", usage, re.MULTILINE)
    )


def test_links_within_the_page_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)", _PAGE, re.MULTILINE)
    anchors = {
        re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", _PAGE)) <= anchors


def _answer(seen: SeenRequest) -> Reply:
    said = text("Hello from Oslo.")
    if seen.json.get("stream"):
        return stream_reply(said, profile=INSTANT)
    return json_reply(message_json(said))


def _run(folder: Path, options: Sequence[str], given: dict[str, str]) -> Ran:
    junit = folder / "junit.xml"
    junit.unlink(missing_ok=True)
    ran = _pytest(folder, [*options, f"--junitxml={junit}"], given)
    assert junit.exists(), ran.stdout + ran.stderr
    outcomes: dict[str, list[str]] = {}
    failed = []
    for case in ElementTree.parse(junit).iter("testcase"):
        module = case.get("classname", "").split(".")[0]
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{module}::{case.get('name')}")
        told = case.find("properties/property[@name='streamtape']")
        if told is not None:
            outcomes.setdefault(module, []).append(told.get("value", ""))

    return Ran(output=ran.stdout + ran.stderr, outcomes=outcomes, failed=failed)


def _pytest(
    folder: Path, options: Sequence[str], given: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    kept = ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT", "TEMP", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *_QUIET, *options],
        cwd=folder,
        env=env | given | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _column(head: str, *, table: int = 0) -> list[str]:
    """List what is in code in the first column of the table with a head."""
    tables = re.findall(
        rf"^\| {re.escape(head)} \|.*\n\|.*\n((?:\|.*\n)*)", _PAGE, re.MULTILINE
    )
    cells = re.findall(r"^\| `([^`]+)`", tables[table], re.MULTILINE)
    return [cell.strip(".()") for cell in cells]
