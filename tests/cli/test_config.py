from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from streamtape.cli._options import cassettes_option, setting_options
from streamtape.cli.config import config
from streamtape.errors import UsageError
from streamtape.settings import Settings
from streamtape.settings.table import DEFAULT_PORT, SETTINGS, explain_settings

OWN = """
cassettes = "tapes"
speed = 10
replace = [["[0-9]+", "N"]]

[scopes.chat]
speed = "instant"
"""
PROJECT = """
[tool.streamtape]
speed = 2
exhausted = "last"
"""
FLAGS: list[tuple[str, list[str], Any]] = [
    ("upstream", ["https://api.example"], "https://api.example"),
    ("cassettes", ["elsewhere"], "elsewhere"),
    ("port", ["0"], 0),
    ("listen", ["0.0.0.0"], "0.0.0.0"),
    ("mode", ["new_episodes"], "new_episodes"),
    ("speed", ["3x"], 3.0),
    ("max_gap", ["0"], 0.0),
    ("exhausted", ["error"], "error"),
    ("collapse_retries", [], True),
    ("on_disconnect", ["finish"], "finish"),
    ("ignore", ["metadata"], ["metadata"]),
    ("replace", ["a", "b c"], [["a", "b c"]]),
    ("headers", ["accept"], ["accept"]),
    ("rename_ids", [], True),
    ("preset", ["agent-coarse"], "agent-coarse"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with both files."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "streamtape.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    for setting in SETTINGS.values():
        monkeypatch.delenv(setting.variable, raising=False)
    return tmp_path.resolve()


def run(
    *args: str,
    command: click.Command = config,
    env: Mapping[str, str] | None = None,
) -> Result:
    # The prefix is that of the whole program, in which click finds variables itself.
    result = CliRunner().invoke(
        command, args, env=env, auto_envvar_prefix="STREAMTAPE_CONFIG"
    )
    if isinstance(result.exception, UsageError):
        raise result.exception
    return result


def told(*args: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    shown = json.loads(run("--json", *args, env=env).stdout)
    assert isinstance(shown, dict)
    return shown


def test_every_setting_is_shown_with_its_source(folder: Path) -> None:
    shown = told("--exhausted", "error", env={"STREAMTAPE_MAX_GAP": "0.5"})

    assert list(shown) == [*SETTINGS, "scopes", "files"]
    assert shown["cassettes"] == {"value": "tapes", "source": "streamtape.toml"}
    assert shown["speed"] == {"value": 10.0, "source": "streamtape.toml"}
    assert shown["max_gap"] == {"value": 0.5, "source": "STREAMTAPE_MAX_GAP"}
    assert shown["exhausted"] == {"value": "error", "source": "--exhausted"}
    assert shown["port"] == {"value": None, "source": "default"}
    assert shown["files"] == [
        str(folder / "pyproject.toml"),
        str(folder / "streamtape.toml"),
    ]


def test_scopes_are_shown_with_all_that_holds_for_them() -> None:
    chat = told()["scopes"]["chat"]

    assert chat["speed"] == {
        "value": "instant",
        "source": "streamtape.toml [scopes.chat]",
    }
    assert chat["exhausted"] == {"value": "last", "source": "pyproject.toml"}
    assert "port" not in chat


def test_the_table_shows_values_sources_scopes_and_files(folder: Path) -> None:
    lines = run("--rename-ids").stdout.splitlines()

    rows = [line.split("  ") for line in lines]
    cells = {row[0]: [cell.strip() for cell in row[1:] if cell] for row in rows}
    assert cells["name"] == ["value", "from"]
    assert cells["speed"] == ["10", "streamtape.toml"]
    assert cells["exhausted"] == ["last", "pyproject.toml"]
    assert cells["replace"] == ['[["[0-9]+", "N"]]', "streamtape.toml"]
    assert cells["rename_ids"] == ["true", "--rename-ids"]
    assert cells["headers"] == ["-", "default"]
    assert cells["port"] == ["(8484, or a free one with a command)", "default"]
    assert cells["chat: speed"] == ["instant", "streamtape.toml [scopes.chat]"]
    assert [name for name in cells if name.startswith("chat")] == ["chat: speed"]
    own, project = folder / "streamtape.toml", folder / "pyproject.toml"
    assert lines[-1] == f"Read: {own}, {project}"


def test_without_files_it_says_so(folder: Path) -> None:
    (folder / "streamtape.toml").unlink()
    (folder / "pyproject.toml").unlink()

    assert run().stdout.splitlines()[-1] == "No settings file was found."


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@api.example",
        "https://api.example/?key=hunter2",
        "https://api.example/#hunter2",
        "http://127.0.0.1:9/_streamtape/as/hunter2",
        "hunter2@",
    ],
)
def test_what_may_be_a_password_is_never_shown(url: str) -> None:
    for shown in (
        run("--upstream", url),
        run("--json", "--upstream", url),
        run(env={"STREAMTAPE_UPSTREAM": url}),
        run(env={"ANTHROPIC_BASE_URL": url}),
    ):
        assert "hunter2" not in shown.output
        assert "(not shown: it may hold a password)" in shown.output


def test_text_of_a_file_cannot_move_the_cursor(folder: Path) -> None:
    evil = 'cassettes = "\\u001b[2J[red]"\n[scopes."\\u001b]0;x"]\nspeed = 3\n'
    (folder / "streamtape.toml").write_text(evil, encoding="utf-8")

    for shown in (run(), run("--json")):
        assert "\x1b" not in shown.output
    assert "\\x1b[2J[red]" in run().stdout


@pytest.mark.parametrize(
    ("name", "values", "expected"), FLAGS, ids=[name for name, _, _ in FLAGS]
)
def test_every_setting_has_a_flag_that_goes_before_all(
    name: str, values: list[str], expected: object
) -> None:
    setting = SETTINGS[name]

    shown = told(setting.flag, *values, env={setting.variable: "[nonsense"})

    assert shown[name] == {"value": expected, "source": setting.flag}


def test_no_flag_is_left_out() -> None:
    assert [name for name, _, _ in FLAGS] == list(SETTINGS)


def test_a_switch_can_be_turned_off(folder: Path) -> None:
    (folder / "streamtape.toml").write_text("rename_ids = true")

    assert told()["rename_ids"]["value"] is True
    assert told("--no-rename-ids")["rename_ids"] == {
        "value": False,
        "source": "--rename-ids",
    }


def test_lists_are_flags_said_again() -> None:
    shown = told("--replace", "a", "b", "--replace", "c", "", "--ignore", "?beta")

    assert shown["replace"]["value"] == [["a", "b"], ["c", ""]]
    assert shown["ignore"]["value"] == ["?beta"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--speed", "fast"], "'--speed': expected a speed from 0.001"),
        (["--port", "65536"], "'--port': expected a number from 0 to 65535, got 65536"),
        (["--listen", "here"], "'--listen': expected an IP address, got 'here'"),
        (["--max-gap", "long"], "'--max-gap': expected a number of seconds from 0 to"),
        (["--mode", "al"], "'--mode': 'al' is not one of 'none', 'once'"),
        (["--ignore", "a["], "'--ignore': 'a[' is no JSON path"),
        (["--replace", "(", "a"], "'--replace': '(' is no regular expression"),
        (["--headers", "x-api-key"], "'--headers': the value of 'x-api-key' is not"),
        (["--cassettes", ""], "'--cassettes': expected a folder, got ''"),
    ],
    ids=[
        "speed",
        "port",
        "listen",
        "max-gap",
        "mode",
        "ignore",
        "replace",
        "headers",
        "empty",
    ],
)
def test_a_bad_flag_is_refused_by_its_name(args: list[str], said: str) -> None:
    result = run(*args)

    assert result.exit_code == 2
    assert f"Error: Invalid value for {said}" in result.stderr


def test_a_bad_file_is_refused(folder: Path) -> None:
    (folder / "streamtape.toml").write_text("sped = 1")

    with pytest.raises(UsageError, match=r'^streamtape.toml: unknown key "sped"'):
        run()


def test_a_variable_of_one_command_is_none_of_ours() -> None:
    assert told(env={"STREAMTAPE_CONFIG_SPEED": "3"})["speed"]["value"] == 10.0


def test_the_help_tells_variables_and_defaults() -> None:
    text = " ".join(run("--help").stdout.split())

    for setting in SETTINGS.values():
        assert setting.flag in text
        assert f"[env var: {setting.variable}" in text
    assert f"default: {DEFAULT_PORT}, or a free one with a command]" in text


def test_a_command_gets_what_holds_beside_its_own_arguments() -> None:
    @click.command()
    @setting_options("speed")
    @click.argument("word")
    def say(settings: Settings, word: str) -> None:
        said = settings.values
        click.echo(f"{word} {said['speed']} {said['exhausted']}")

    assert run("a", command=say).stdout == "a 10.0 last\n"
    assert run("--speed", "3", "a", command=say).stdout == "a 3.0 last\n"


def test_a_command_can_have_the_folder_alone() -> None:
    @click.command()
    @cassettes_option
    def say(cassettes: Path) -> None:
        click.echo(cassettes)

    assert run(command=say).stdout == "tapes\n"
    assert run("--cassettes", "x", command=say).stdout == "x\n"
    assert run(command=say, env={"STREAMTAPE_CASSETTES": "y"}).stdout == "y\n"


def test_the_docs_have_a_row_for_each_setting() -> None:
    lines = explain_settings().splitlines()

    assert [line.split("`")[1] for line in lines[2:]] == list(SETTINGS)
    assert {line.count(" | ") for line in lines} == {4}
