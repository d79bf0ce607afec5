"""What README says is run, from the top of the repository."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.here import run_here
from pytest_plugin.projects import besides

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PYTHON: Final = [code for language, code in BLOCKS if language == "python"]
CONSOLE: Final = "".join(text for language, text in BLOCKS if language == "console")
COMMANDS: Final = re.findall(r"^\$ ((?:.*\\\n)*.*?)\s*(?:#.*)?$", CONSOLE, re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.split("\n")[-2])
def test_the_python_examples_run(
    code: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With nothing but what they import; a warning is an error in all tests."""
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})

    assert capfd.readouterr().err == ""


def test_the_marked_example_passes(pytester: pytest.Pytester) -> None:
    [code] = [each for each in PYTHON if "@pytest.mark.streamtape" in each]
    (pytester.path / "test_it.py").write_text(code, encoding="utf-8")
    folder = pytester.path / "cassettes" / "test_it" / "test_it_says_hello"
    shutil.copytree(ROOT / "cassettes", folder)

    ran = pytester.runpytest_inprocess(*besides())

    ran.assert_outcomes(passed=1)


@pytest.mark.parametrize("verb", ["ls", "show"])
def test_the_looking_commands_run(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    [command] = [each for each in COMMANDS if each.startswith(f"streamtape {verb}")]
    [_, *arguments] = shlex.split(command)
    ran = run_here(*arguments)

    assert ran.status == 0
    assert "hello-a3eed8ca" in ran.stdout


def test_every_option_in_a_command_is_one_of_that_command() -> None:
    for command in COMMANDS:
        program, _, _ = command.partition(" -- ")
        if not program.startswith("streamtape "):
            continue
        verb = program.split()[1]
        usage = run_here(verb, "--help").stdout
        for option in re.findall(r"--[a-z-]+", program):
            assert option in usage


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [each.split()[1] for each in COMMANDS if each.startswith("make ")]

    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_curl_request_is_answered_by_a_shipped_cassette() -> None:
    with streamtape.replay(ROOT / "cassettes", speed="instant") as server:
        body = _curl_body()
        response = _post(f"{server.base_url}/v1/messages", body)

        assert response.startswith(b"event: message_start\n")


def test_the_miss_reads_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    [shown] = [text for language, text in BLOCKS if language == "text"]
    body = _curl_body().replace(b"Hello!", b"Hello?")
    with streamtape.replay(speed="instant") as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            _post(f"{server.base_url}/v1/messages", body)
        with caught.value as answer:
            told = json.load(answer)

    assert caught.value.code == 424
    assert told["error"]["message"] + "\n" == shown


def _curl_body() -> bytes:
    [curl] = [each for each in COMMANDS if each.startswith("curl")]
    words = shlex.split(curl)
    return words[words.index("-d") + 1].encode()


def _post(url: str, body: bytes) -> bytes:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request) as response:
        read: bytes = response.read()
    return read
