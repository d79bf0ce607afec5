from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asking import RECORDED, changed, post
from streamtape.cli import main
from streamtape.core.model import Request
from taping import JSON, hello, write_tape

ANSWER = hello("Hello")
NAME = "bye-0a1b2c3d"
RULE = "This rule in [tool.streamtape] of pyproject.toml would make it hit:"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, without settings of its own, in which `cassettes` is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").touch()
    return tmp_path


def record(request: Request, *, name: str = NAME) -> Path:
    return write_tape(Path("cassettes"), ANSWER, name=name, request=request)


def body_file(**fields: object) -> str:
    Path("request.json").write_bytes(changed(**fields).body)
    return "request.json"


def explain(*args: str | Path, stdin: bytes = b"") -> Result:
    result = CliRunner().invoke(main, ["explain", *map(str, args)], input=stdin)
    assert isinstance(result.exception, SystemExit | None)
    return result


def told(result: Result) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(result.stdout)
    return read


def test_a_hit_names_the_takes_in_their_order() -> None:
    record(post(RECORDED))
    record(post(RECORDED))
    result = explain(body_file())

    assert result.exit_code == 0
    assert result.stdout == (
        "POST /v1/messages, model claude-x, 3 messages: would hit, answered in this "
        "order by\n"
        f"- {NAME}\n"
        f"- {NAME}-2\n"
    )


def test_failures_that_are_skipped_answer_nothing() -> None:
    folder, body = Path("cassettes"), body_file()
    for status in (529, 429, 200, 529):
        write_tape(folder, ANSWER, name=NAME, request=post(RECORDED), status=status)
    (folder / f"{NAME}-2.tape").write_bytes(
        (folder / f"{NAME}-2.tape").read_bytes()[:-40]
    )
    every = [NAME, *(f"{NAME}-{take}" for take in (2, 3, 4))]

    assert told(explain("--json", body))["cassettes"] == every
    assert told(explain("--json", "--collapse-retries", body)) == {
        "hit": True,
        "cassettes": every[2:],
    }

    Path("streamtape.toml").write_text("collapse_retries = true")
    assert told(explain("--json", body))["cassettes"] == every[2:]
    assert told(explain("--json", "--no-collapse-retries", body))["cassettes"] == every


def test_a_hit_is_told_as_json() -> None:
    record(post(RECORDED))
    result = explain("--json", body_file())

    assert result.exit_code == 0
    assert told(result) == {"hit": True, "cassettes": [NAME]}


def test_a_miss_tells_the_report_of_a_replay() -> None:
    record(post(RECORDED))
    result = explain(body_file(temperature=0))

    assert result.exit_code == 1
    assert result.stderr == ""
    assert result.stdout == (
        "POST /v1/messages, model claude-x, 3 messages: "
        "no cassette in cassettes matches.\n"
        f"The nearest is {NAME}; recorded / requested:\n"
        "- temperature: 1 / 0\n"
        f'{RULE} ignore = ["temperature"]\n'
        "Or record this too: "
        "streamtape record --mode new_episodes --cassettes cassettes\n"
    )


def test_a_miss_is_told_as_json() -> None:
    record(post(RECORDED))
    report = told(explain("--json", body_file(temperature=0)))

    assert report["hit"] is False
    assert report["nearest"] == NAME
    assert report["rule"] == 'ignore = ["temperature"]'


def test_an_empty_library_is_a_miss() -> None:
    result = explain(body_file())

    assert result.exit_code == 1
    assert "no cassette in cassettes matches, as it is empty." in result.stdout


def test_the_rule_that_is_told_makes_it_hit() -> None:
    record(post(RECORDED))
    body = body_file(temperature=0, system="Other")
    rule = told(explain("--json", body))["rule"]
    Path("pyproject.toml").write_text(f"[tool.streamtape]\n{rule}\n")

    assert explain(body).exit_code == 0


def test_options_of_matching_hold() -> None:
    record(post(RECORDED))
    body = body_file(temperature=0)

    assert explain("--ignore", "temperature", body).exit_code == 0
    assert explain("--cassettes", "elsewhere", body_file()).exit_code == 1


def test_a_body_comes_from_standard_input_too() -> None:
    record(post(RECORDED))

    assert explain("-", stdin=post(RECORDED).body).exit_code == 0


def test_the_request_of_a_cassette_is_explained() -> None:
    path = record(post(RECORDED, "/v1/x"))

    assert f"- {NAME}\n" in explain(path).stdout


def test_path_method_and_headers_are_as_told() -> None:
    headers = (JSON, ("anthropic-beta", "b"))
    record(replace(post(RECORDED, "/v1/x?a=1", "PUT"), headers=headers))
    options = ["--path", "/v1/x?a=1", "--method", "put", "--headers", "anthropic-beta"]

    assert (
        explain(*options, "--header", "Anthropic-Beta: b", body_file()).exit_code == 0
    )
    assert (
        explain(*options, "--header", "Anthropic-Beta: c", body_file()).exit_code == 1
    )
    assert explain(body_file()).exit_code == 1


def test_secrets_are_left_out_as_a_recorder_does() -> None:
    key = "sk-ant-api03-" + "k" * 24
    record(changed(system=f"The key is {key}."))
    hit = explain(
        "--path", f"/v1/messages?beta={key}", body_file(system=f"The key is {key}.")
    )
    miss = explain("--path", f"/v1/x?api_key={key}", body_file(system=f"{key} is it."))

    assert hit.exit_code == 0
    assert miss.exit_code == 1
    assert key not in hit.output + miss.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        pytest.param(
            ["none.json"],
            "Error: none.json: can't be read: No such file or directory\n",
            id="no-file",
        ),
        pytest.param(
            ["cassettes"],
            "Error: cassettes: can't be read: Is a directory\n",
            id="folder",
        ),
        pytest.param(
            ["bad.json"],
            "Error: bad.json: expected the JSON body of a request: "
            "Expecting value: line 1 column 7 (char 6)\n",
            id="no-json",
        ),
        pytest.param(
            ["-"],
            "Error: standard input: expected the JSON body of a request: "
            "Expecting value: line 1 column 1 (char 0)\n",
            id="nothing",
        ),
        pytest.param(
            ["none.tape"],
            "Error: none.tape: there is no such cassette\n",
            id="no-cassette",
        ),
        pytest.param(
            ["--method", "GET", "none.tape"],
            "Error: --path, --method and --header are for a body; "
            "a cassette has its own\n",
            id="path-of-a-cassette",
        ),
        pytest.param(
            ["--path", "v1", "good.json"],
            "Error: --path: expected one that begins with /, got 'v1'\n",
            id="path",
        ),
        pytest.param(
            ["--header", "a", "good.json"],
            "Error: --header: expected NAME:VALUE, got 'a'\n",
            id="header",
        ),
    ],
)
def test_bad_input_is_told_in_a_sentence(args: list[str], message: str) -> None:
    Path("cassettes").mkdir()
    Path("bad.json").write_text('{"a": }')
    Path("good.json").write_text("{}")
    result = explain(*args)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == message


def test_a_terminal_is_safe_from_what_was_recorded() -> None:
    evil = "\x1b[2J\x1b]52;c;aGk=\x07\u202e"
    record(changed(system=evil), name="a-0a1b2c3d")
    result = explain("--path", f"/{evil}", body_file(system=evil, model=evil))

    assert result.exit_code == 1
    assert result.stdout.replace("\n", "").isprintable()
