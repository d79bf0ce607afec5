"""Which of several places a setting comes from, and what is refused."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.pacing import INSTANT, Pacing
from streamtape.errors import UsageError
from streamtape.server.config import Config
from streamtape.settings import Policy, ScopeSettings, Settings, resolve
from streamtape.settings.table import SETTINGS

SAMPLES: dict[str, list[Any]] = {
    "upstream": [f"https://{name}.example" for name in "abcd"],
    "cassettes": ["/a", "/b", "/c", "/d"],
    "port": [1, 2, 3, 0],
    "listen": ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1"],
    "mode": ["once", "all", "new_episodes", "passthrough"],
    "speed": [2.0, 3.0, 4.0, "instant"],
    "max_gap": [0.5, 1.0, 2.0, 0.0],
    "exhausted": ["error", "last", "cycle", "error"],
    "collapse_retries": [True, False, True, False],
    "on_disconnect": ["finish", "stop", "finish", "stop"],
    "ignore": [["a"], ["b", "$.c[*]"], ["?beta"], ["d"]],
    "replace": [[["a", "b"]], [["c", "d"], ["e", ""]], [["f", "g"]], [[r"\d", "N"]]],
    "headers": [["accept"], ["anthropic-beta"], ["anthropic-version"], ["accept"]],
    "rename_ids": [True, False, True, False],
    "preset": ["none", "agent", "agent-coarse", "auto"],
}
"""A value for each place, from pyproject.toml to what was given."""

DEFAULTS: dict[str, Any] = {
    "speed": 1.0,
    "collapse_retries": False,
    "on_disconnect": "stop",
    "ignore": [],
    "replace": [],
    "headers": [],
    "rename_ids": False,
    "preset": "auto",
}
"""As JSON has them; None for all others, but for the library's folder."""


def resolve_in(
    folder: Path,
    given: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    **files: str,
) -> Settings:
    """
    Resolve in a folder with these files, and with nothing of the real environment.
    """
    (folder / ".git").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return resolve(given, environ=environ or {}, folder=folder)


def refusal(folder: Path, **said: Any) -> str:
    with pytest.raises(UsageError) as caught:
        resolve_in(folder, **said)
    return str(caught.value)


def rules_of(settings: ScopeSettings) -> Rules:
    return settings.policy(Policy()).rules


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_every_setting_has_a_sample_and_a_field() -> None:
    assert list(SAMPLES) == list(SETTINGS)
    of_policy = [f.name for kind in (Policy, Pacing, Rules) for f in fields(kind)]
    of_server = [f.name for f in fields(Config)]
    for setting in SETTINGS.values():
        among = of_policy if setting.is_for_scopes else of_server
        assert among.count(setting.field) == 1


def test_without_a_word_the_defaults_hold(tmp_path: Path) -> None:
    settings = resolve_in(tmp_path)

    assert settings == Settings(
        values={
            "upstream": None,
            "cassettes": tmp_path / "cassettes",
            "port": None,
            "listen": None,
            "mode": None,
            "speed": 1.0,
            "max_gap": None,
            "exhausted": None,
            "collapse_retries": False,
            "on_disconnect": OnDisconnect.STOP,
            "ignore": (),
            "replace": (),
            "headers": (),
            "rename_ids": False,
            "preset": Preset.AUTO,
        },
        sources=dict.fromkeys(SETTINGS, "default"),
    )
    assert settings.policy(Policy()) == Policy()


@given(
    places=st.fixed_dictionaries(
        {name: st.sets(st.sampled_from(range(4))) for name in SETTINGS}
    )
)
def test_for_each_name_the_strongest_place_counts(
    places: dict[str, set[int]],
) -> None:
    tables: list[dict[str, Any]] = [
        {name: SAMPLES[name][i] for name in SETTINGS if i in places[name]}
        for i in range(4)
    ]
    lines = [
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
        for table in tables[:2]
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = resolve_in(
            Path(folder),
            tables[3],
            {SETTINGS[name].variable: as_text(v) for name, v in tables[2].items()},
            pyproject=f"[tool.streamtape]\n{lines[0]}",
            streamtape=lines[1],
        )

    plain = settings.plain()
    if plain["cassettes"] == str(Path(folder, "cassettes")):
        plain["cassettes"] = None
    for name, setting in SETTINGS.items():
        said = (
            "pyproject.toml",
            "streamtape.toml",
            setting.variable,
            f"argument {name}",
        )
        strongest = max(places[name], default=None)
        if strongest is None:
            assert settings.sources[name] == "default"
            expected = DEFAULTS.get(name)
        else:
            assert settings.sources[name] == said[strongest]
            expected = SAMPLES[name][strongest]
        assert plain[name] == expected


@pytest.mark.parametrize(
    ("table", "upstream", "source"),
    [
        ("", "https://sdk.example", "ANTHROPIC_BASE_URL"),
        (
            '[tool.streamtape]\nupstream = "https://file.example"',
            "https://file.example",
            "pyproject.toml",
        ),
    ],
    ids=["alone", "with-a-file"],
)
def test_the_variable_of_sdks_is_the_weakest_that_names_the_upstream(
    table: str, upstream: str, source: str, tmp_path: Path
) -> None:
    """A project that names its upstream means it, whatever a shell has exported."""
    environ = {"ANTHROPIC_BASE_URL": "https://sdk.example"}

    settings = resolve_in(tmp_path, environ=environ, pyproject=table)

    assert (settings.values["upstream"], settings.sources["upstream"]) == (
        upstream,
        source,
    )


def test_flags_are_told_as_flags(tmp_path: Path) -> None:
    settings = resolve({"max_gap": "2"}, environ={}, folder=tmp_path, are_flags=True)

    assert settings.policy(Policy()).pacing.max_gap_ns == 2 * 10**9
    assert settings.sources["max_gap"] == "--max-gap"


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("port", ["8000", 8000], 8000),
        ("mode", ["once", RecordMode.ONCE], RecordMode.ONCE),
        ("speed", ["10x", "10", 10, 10.0], 10.0),
        ("speed", ["instant", INSTANT], INSTANT),
        ("exhausted", ["last", Exhausted.LAST], Exhausted.LAST),
        ("cassettes", ["/a/b", Path("/a/b")], Path("/a/b")),
        ("collapse_retries", ["yes", True], True),
        ("on_disconnect", ["finish", OnDisconnect.FINISH], OnDisconnect.FINISH),
    ],
)
def test_text_and_values_may_be_given_alike(
    name: str, values: list[object], expected: object, tmp_path: Path
) -> None:
    for value in values:
        assert resolve_in(tmp_path, {name: value}).values[name] == expected


def test_lists_and_tuples_may_be_given_alike(tmp_path: Path) -> None:
    path = "$['a b']"
    rules = Rules(ignore=(path,), replace=(("x", "y"),), headers=("accept",))
    tuples = {"ignore": (path,), "replace": (("x", "y"),), "headers": ("accept",)}
    lists = {"ignore": [path], "replace": [["x", "y"]], "headers": ["accept"]}

    assert rules_of(resolve_in(tmp_path, tuples)) == rules
    assert rules_of(resolve_in(tmp_path, lists)) == rules


def test_a_list_that_was_given_as_text_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, given={"ignore": "metadata"}) == (
        "argument ignore: expected a list of JSON paths, got 'metadata'"
    )


def test_what_was_given_as_none_was_not_given(tmp_path: Path) -> None:
    settings = resolve_in(tmp_path, {"speed": None}, streamtape="speed = 2")

    assert settings.values["speed"] == 2
    assert settings.sources["speed"] == "streamtape.toml"


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, given={"sped": 1}) == (
        'arguments: unknown key "sped"; did you mean "speed"?'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\n c", ("a", "b", "c")),
        ("['$[\"a b\"]', 'c']", ('$["a b"]', "c")),
        (" []", ()),
    ],
    ids=["blanks", "array", "empty"],
)
def test_a_list_in_the_environment_is_an_array_or_has_blanks(
    text: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    settings = resolve_in(tmp_path, environ={"STREAMTAPE_IGNORE": text})

    assert settings.values["ignore"] == expected


@pytest.mark.parametrize("text", ["['a'", "[a]", "['a']\nspeed = 3"])
def test_what_begins_as_an_array_and_is_none_is_refused(
    text: str, tmp_path: Path
) -> None:
    said = refusal(tmp_path, environ={"STREAMTAPE_IGNORE": text})

    assert said == f"STREAMTAPE_IGNORE: expected a list of JSON paths, got {text!r}"


def test_pairs_in_the_environment_are_an_array_of_arrays(tmp_path: Path) -> None:
    environ = {"STREAMTAPE_REPLACE": r"[['\d+', 'N'], ['a', '']]"}

    settings = resolve_in(tmp_path, environ=environ)

    assert settings.values["replace"] == ((r"\d+", "N"), ("a", ""))


@pytest.mark.parametrize("text", ["1", "true", "YES", "on"])
def test_words_for_true(text: str, tmp_path: Path) -> None:
    environ = {"STREAMTAPE_RENAME_IDS": text}

    assert resolve_in(tmp_path, environ=environ).values["rename_ids"] is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_words_for_false(text: str, tmp_path: Path) -> None:
    environ = {"STREAMTAPE_RENAME_IDS": text}

    settings = resolve_in(tmp_path, environ=environ, streamtape="rename_ids = true")

    assert settings.values["rename_ids"] is False


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    environ = {setting.variable: "" for setting in SETTINGS.values()}

    assert resolve_in(tmp_path, environ=environ) == resolve_in(tmp_path)


def test_unknown_variables_are_left_alone(tmp_path: Path) -> None:
    environ = {"STREAMTAPE_SPED": "fast", "STREAMTAPE_SCOPES": "x"}

    assert resolve_in(tmp_path, environ=environ) == resolve_in(tmp_path)


def test_a_variable_whose_setting_was_given_is_not_looked_at(tmp_path: Path) -> None:
    environ = {"STREAMTAPE_SPEED": "fast"}

    assert resolve_in(tmp_path, {"speed": 3}, environ).values["speed"] == 3


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, environ={"STREAMTAPE_PORT": "http"}) == (
        "STREAMTAPE_PORT: expected a number from 0 to 65535, got 'http'"
    )


TYPES = [
    ("upstream", "3", "expected a base URL, got 3"),
    ("upstream", '""', "expected a base URL, got ''"),
    ("cassettes", "true", "expected a folder, got true"),
    ("cassettes", '""', "expected a folder, got ''"),
    ("cassettes", r'"a\u0000"', "expected a folder, got 'a\\x00'"),
    ("port", '"8484"', "expected a number from 0 to 65535, got '8484'"),
    ("port", "65536", "expected a number from 0 to 65535, got 65536"),
    ("port", "-1", "expected a number from 0 to 65535, got -1"),
    ("port", "true", "expected a number from 0 to 65535, got true"),
    ("port", "1.0", "expected a number from 0 to 65535, got 1.0"),
    ("mode", '"al"', "expected one of none, once, new_episodes, all, passthrough, got"),
    ("mode", "[]", "expected one of none, once, new_episodes, all, passthrough, got"),
    ("speed", "0", "expected a speed from 0.001"),
    ("speed", '"fast"', "expected a speed from 0.001"),
    ("speed", "nan", "expected a speed from 0.001"),
    ("speed", "true", "expected a number such as 1 or 10, or instant, got true"),
    ("speed", "[1]", "expected a number such as 1 or 10, or instant, got a list of 1"),
    ("max_gap", "-0.5", "expected a number of seconds from 0 to 1000000, got -0.5"),
    ("max_gap", "inf", "expected a number of seconds from 0 to 1000000, got inf"),
    ("max_gap", "nan", "expected a number of seconds from 0 to 1000000, got nan"),
    ("max_gap", "false", "expected a number of seconds from 0 to 1000000, got false"),
    ("max_gap", '"1"', "expected a number of seconds from 0 to 1000000, got '1'"),
    ("exhausted", '"never"', "expected one of error, last, cycle, got 'never'"),
    ("collapse_retries", "1", "expected true or false, got 1"),
    ("on_disconnect", '"go"', "expected one of stop, finish, got 'go'"),
    ("collapse_retries", '"yes"', "expected true or false, got 'yes'"),
    ("ignore", '"a"', "expected a list of JSON paths, got 'a'"),
    ("ignore", '["a", 3]', "expected a list of JSON paths, got 3 in it"),
    ("ignore", '["a["]', "'a[' is no JSON path"),
    ("replace", '["a", "b"]', "expected a list of [pattern, text] pairs, got 'a' in"),
    ("replace", '[["a"]]', "expected a list of [pattern, text] pairs, got a list of 1"),
    ("replace", '[["(", "b"]]', "'(' is no regular expression"),
    ("replace", "{a = 1}", "expected a list of [pattern, text] pairs, got a table"),
    ("headers", "{}", "expected a list of header names, got a table"),
    ("headers", '["x-api-key"]', "the value of 'x-api-key' is not kept"),
    ("rename_ids", "2026-01-01", "expected true or false, got a date"),
    ("preset", '"agents"', "expected one of auto, none, agent, agent-coarse, got"),
]


@pytest.mark.parametrize(
    ("name", "text", "said"), TYPES, ids=[f"{name}={text}" for name, text, _ in TYPES]
)
def test_a_value_of_the_wrong_kind_is_refused_with_file_and_key(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    own = refusal(tmp_path, streamtape=f"{name} = {text}")
    (tmp_path / "streamtape.toml").unlink()
    project = refusal(tmp_path, pyproject=f"tool.streamtape.{name} = {text}")

    assert own.startswith(f"streamtape.toml: {name}: {said}")
    assert project.startswith(f"pyproject.toml [tool.streamtape]: {name}: {said}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param('exausted = "last"', 'did you mean "exhausted"?', id="letter"),
        pytest.param("max-gap = 1", 'did you mean "max_gap"?', id="dash"),
        pytest.param("[scope.chat]", 'did you mean "scopes"?', id="scopes"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(
    text: str, hint: str, tmp_path: Path
) -> None:
    key = text.strip("[").split()[0].split(".")[0]

    said = refusal(tmp_path, streamtape=text)

    assert said == f'streamtape.toml: unknown key "{key}"; {hint}'


def test_an_unknown_key_of_a_project_is_told_with_its_table(tmp_path: Path) -> None:
    said = refusal(tmp_path, pyproject="[tool.streamtape]\nexausted = 'last'")

    assert said == (
        'pyproject.toml [tool.streamtape]: unknown key "exausted"; '
        'did you mean "exhausted"?'
    )


def test_a_key_like_no_other_is_refused_with_all_names(tmp_path: Path) -> None:
    said = refusal(tmp_path, streamtape="xyz = 1")

    assert said.startswith('streamtape.toml: unknown key "xyz"; known are upstream, ')
    assert all(name in said for name in (*SETTINGS, "scopes"))


def test_a_file_is_checked_even_where_it_does_not_count(tmp_path: Path) -> None:
    said = refusal(tmp_path, given={"speed": 2}, streamtape="speed = 0")

    assert said.startswith("streamtape.toml: speed: expected a speed")


def test_a_refusal_repeats_no_password(tmp_path: Path) -> None:
    secret = "https://me:hunter2@api.example"

    for text in (f"upstream = ['{secret}']", f"upstream = '{secret}'\nspeed = 0"):
        assert "hunter2" not in refusal(tmp_path, streamtape=text)


def test_a_folder_in_a_file_counts_from_that_file(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    resolve_in(tmp_path, streamtape="cassettes = 'tapes'")

    assert resolve(environ={}, folder=inner).cassettes == tmp_path / "tapes"
    for said in ({"cassettes": "tapes"}, {"cassettes": Path("tapes")}):
        here = resolve(said, environ={}, folder=inner)
        assert here.cassettes == inner / "tapes"
    environ = {"STREAMTAPE_CASSETTES": "tapes"}
    assert resolve(environ=environ, folder=inner).cassettes == inner / "tapes"


def test_the_current_folder_is_not_spelt_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streamtape.toml").write_text("cassettes = 'tapes'")
    monkeypatch.chdir(tmp_path)

    assert resolve(environ={}).cassettes == Path("tapes")
    assert resolve({"cassettes": "x/y"}, environ={}).cassettes == Path("x/y")


def test_the_process_has_the_environment_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMTAPE_SPEED", "7")

    assert resolve(folder=tmp_path).values["speed"] == 7


def test_the_files_that_were_read_are_told(tmp_path: Path) -> None:
    settings = resolve_in(
        tmp_path, pyproject="[tool.streamtape]", streamtape="speed = 2"
    )

    folder = tmp_path.resolve()
    assert settings.files == (folder / "pyproject.toml", folder / "streamtape.toml")


SCOPED = """
speed = 2
max_gap = 1
ignore = ["a"]
mode = "all"

[scopes.chat]
speed = "instant"
headers = ["accept"]

[scopes.empty]
"""


def test_a_scope_has_its_own_and_else_what_holds_for_all(tmp_path: Path) -> None:
    environ = {"STREAMTAPE_MAX_GAP": "3"}
    settings = resolve_in(tmp_path, {"mode": "once"}, environ, streamtape=SCOPED)
    chat = settings.scopes["chat"]

    assert chat.policy(Policy()) == Policy(
        mode=RecordMode.ONCE,
        pacing=Pacing(speed=INSTANT, max_gap_ns=3 * 10**9),
        rules=Rules(ignore=("a",), headers=("accept",)),
    )
    assert chat.sources["speed"] == "streamtape.toml [scopes.chat]"
    assert chat.sources["max_gap"] == "STREAMTAPE_MAX_GAP"
    assert chat.sources["mode"] == "argument mode"
    assert "port" not in chat.sources
    assert rules_of(settings) == Rules(ignore=("a",))
    empty = settings.scopes["empty"]
    assert empty.policy(Policy()) == settings.policy(Policy())


def test_a_flag_goes_before_what_a_scope_says(tmp_path: Path) -> None:
    settings = resolve_in(tmp_path, {"speed": 5}, streamtape=SCOPED)

    assert settings.scopes["chat"].values["speed"] == 5
    assert settings.scopes["chat"].sources["speed"] == "argument speed"
    assert settings.scopes["chat"].values["mode"] is RecordMode.ALL


def test_scopes_of_both_files_are_merged_name_by_name(tmp_path: Path) -> None:
    project = """
    [tool.streamtape.scopes.chat]
    speed = 3
    exhausted = "last"
    [tool.streamtape.scopes.other]
    preset = "agent"
    """
    settings = resolve_in(tmp_path, pyproject=project, streamtape=SCOPED)

    chat = settings.scopes["chat"]
    assert (chat.values["speed"], chat.values["exhausted"]) == (
        INSTANT,
        Exhausted.LAST,
    )
    assert chat.sources["exhausted"] == "pyproject.toml [scopes.chat]"
    assert settings.scopes["other"].values["preset"] is Preset.AGENT
    assert list(settings.scopes) == ["chat", "other", "empty"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "scopes = 3",
            "streamtape.toml: scopes: expected a table of tables, got 3",
            id="no-table",
        ),
        pytest.param(
            "[scopes]\nspeed = 2",
            "streamtape.toml [scopes]: speed: expected a table, got 2",
            id="no-name",
        ),
        pytest.param(
            "[scopes.chat]\nspead = 2",
            'streamtape.toml [scopes.chat]: unknown key "spead"; did you mean "speed"?',
            id="unknown",
        ),
        pytest.param(
            "[scopes.chat]\nport = 2",
            'streamtape.toml [scopes.chat]: "port" holds for the whole server, not for '
            "one scope",
            id="of-the-server",
        ),
        pytest.param(
            "[scopes.chat]\nrename_ids = 1",
            "streamtape.toml [scopes.chat]: rename_ids: expected true or false, got 1",
            id="type",
        ),
    ],
)
def test_a_scope_that_makes_no_sense_is_refused(
    text: str, said: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, streamtape=text) == said


@given(text=st.text())
def test_any_text_of_a_variable_is_read_or_refused(text: str) -> None:
    for setting in SETTINGS.values():
        with contextlib.suppress(UsageError):
            setting.read_text(text)
