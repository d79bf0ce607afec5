from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forging import KEY, forge, request_frame, response_frame
from streamtape.cli import main
from streamtape.core.format.records import Kind
from streamtape.library import read_cassette
from taping import hello, start_tape, write_tape

HELLO = hello("Hello", " world")
SECRET = "my-own-word-of-2026"


def run(*args: str | Path, stdin: str | None = None, **env: str | None) -> Result:
    return CliRunner().invoke(main, ["redact", *map(str, args)], input=stdin, env=env)


def write_leaky(folder: Path, name: str = "leaky.tape") -> Path:
    path = folder / name
    events = [(Kind.EVENT, [at, raw]) for at, raw in hello("It is ", KEY)]
    request = request_frame(headers=[["x-api-key", KEY]])
    path.write_bytes(forge([request, response_frame(), *events]))
    return path


def test_what_was_redacted_is_said_and_not_shown(tmp_path: Path) -> None:
    path = write_leaky(tmp_path)
    write_tape(tmp_path, HELLO)

    result = run(tmp_path)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{path}: redacted",
        "  - an Anthropic key in request header x-api-key",
        "  - an Anthropic key in event 4",
        "2 files: 1 redacted, 1 untouched",
    ]
    assert result.stderr == (
        "Git's history still has the old bytes: if it was a key, rotate it.\n"
    )
    assert "Ab1_" not in result.output
    assert b"Ab1_" not in path.read_bytes()


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    write_leaky(tmp_path)
    run(tmp_path)

    result = run(tmp_path)

    assert result.exit_code == 0
    assert result.output == "1 file: 1 untouched\n"


def test_a_dry_run_fails_if_there_is_something_to_do(tmp_path: Path) -> None:
    path = write_leaky(tmp_path)
    before = path.read_bytes()

    result = run("--dry-run", tmp_path)

    assert result.exit_code == 1
    assert f"{path}: would be redacted" in result.stdout
    assert path.read_bytes() == before
    assert run(tmp_path).exit_code == 0
    assert run("--dry-run", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (["--secret-from", "MY_WORD"], None),
        (["--secret-from", "-"], f"{SECRET}\n"),
        ([], None),
    ],
    ids=["variable", "standard-input", "the-sdk's-variable"],
)
def test_a_secret_comes_from_where_nobody_sees_it(
    tmp_path: Path, args: list[str], stdin: str | None
) -> None:
    path = write_tape(tmp_path, hello("The word is my-own", "-word-of-2026", "."))
    env = {"MY_WORD": SECRET} if args else {"ANTHROPIC_AUTH_TOKEN": SECRET}

    result = run(*args, path, stdin=stdin, **env)

    assert result.exit_code == 0
    assert read_cassette(path).text == "The word is [redacted]."
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "expected a secret in MY_WORD, found nothing"),
        ("short1", "too much like a word"),
        ("streaming", "too much like a word"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, value: str, said: str) -> None:
    write_tape(tmp_path, HELLO)

    result = run("--secret-from", "MY_WORD", tmp_path, MY_WORD=value)

    assert result.exit_code == 2
    assert said in result.stderr
    assert not value or value not in result.stderr


def test_a_damaged_file_fails_and_the_others_are_redacted(tmp_path: Path) -> None:
    leaky = write_leaky(tmp_path)
    damaged = tmp_path / "damaged.tape"
    data = bytearray(leaky.read_bytes())
    data[-150] ^= 1
    damaged.write_bytes(data)

    result = run(tmp_path)

    assert result.exit_code == 1
    assert f"{damaged}: failed: damaged at byte " in result.stdout
    assert f"streamtape recover {damaged} keeps what is sound" in result.stdout
    assert "2 files: 1 redacted, 1 failed" in result.stdout
    assert damaged.read_bytes() == data


def test_a_recording_that_runs_is_left_alone(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, HELLO[:3])
    part = writer.path
    assert part is not None

    running = run(tmp_path)
    writer.close()
    orphan = run(tmp_path)

    assert running.exit_code == 0
    assert f"{part}: still being recorded; it was left as it is" in running.stdout
    assert orphan.stdout == "1 file: 1 untouched\n"


def test_json_is_one_array(tmp_path: Path) -> None:
    path = write_leaky(tmp_path)
    other = write_tape(tmp_path, HELLO)

    told: list[dict[str, Any]] = json.loads(run("--json", tmp_path).stdout)

    untouched, redacted = told
    assert untouched == {
        "path": str(other),
        "place": str(other),
        "outcome": "untouched",
        "secrets": [],
        "count": 0,
        "error": None,
    }
    assert (redacted["path"], redacted["outcome"]) == (str(path), "redacted")
    assert redacted["secrets"][0] == {
        "kind": "an Anthropic key",
        "where": "request header x-api-key",
    }


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    assert run(tmp_path / "nowhere").exit_code == 2
    assert run("--cassettes", tmp_path / "nowhere").exit_code == 2
