from __future__ import annotations

from pathlib import Path

import pytest

from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.pacing import INSTANT, Pacing
from streamtape.errors import UsageError
from streamtape.server.config import (
    Config,
    adjust,
    find_place,
    recording_config,
    replaying_config,
)
from streamtape.settings import Policy, Settings, resolve

FILE = """
cassettes = "kept"
mode = "new_episodes"
speed = 4
ignore = ["temperature"]

[scopes.chat]
mode = "once"
exhausted = "error"
collapse_retries = true
on_disconnect = "finish"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "streamtape.toml").write_text(FILE, encoding="utf-8")
    given = {"upstream": "http://127.0.0.1:9/"}
    return resolve(given, environ={}, folder=tmp_path)


def test_a_recorder_is_told_what_is_set(settings: Settings, tmp_path: Path) -> None:
    rules = Rules(ignore=("temperature",))

    config = recording_config(settings, port=1)

    assert config == Config(
        cassettes=tmp_path / "kept",
        policy=Policy(
            mode=RecordMode.NEW_EPISODES, pacing=Pacing(speed=4.0), rules=rules
        ),
        scopes={
            "chat": Policy(
                mode=RecordMode.ONCE,
                pacing=Pacing(speed=4.0),
                exhausted=Exhausted.ERROR,
                collapse_retries=True,
                on_disconnect=OnDisconnect.FINISH,
                rules=rules,
            )
        },
        upstream="http://127.0.0.1:9",
        port=1,
    )


def test_a_replay_replays_whatever_is_set(settings: Settings) -> None:
    config = replaying_config(settings, port=1)

    assert config.replays_only
    assert config.upstream is None
    assert config.scopes["chat"].mode is RecordMode.NONE
    assert config.scopes["chat"].exhausted is Exhausted.ERROR


def test_a_recorder_records_all_where_nothing_is_set(tmp_path: Path) -> None:
    settings = resolve({"upstream": "https://api.example"}, folder=tmp_path)

    assert recording_config(settings, port=1).policy.mode is RecordMode.ALL


def test_one_scope_that_records_needs_an_upstream() -> None:
    scopes = {"chat": Policy(mode=RecordMode.ONCE)}

    assert Config(scopes={"chat": Policy()}).replays_only
    assert not Config(scopes=scopes).replays_only


@pytest.mark.parametrize(
    ("source", "given", "text"),
    [
        ("STREAMTAPE_UPSTREAM", {}, "STREAMTAPE_UPSTREAM: upstream 'ftp://x'"),
        ("", {"upstream": "ftp://x"}, "upstream 'ftp://x'"),
    ],
    ids=["variable", "argument"],
)
def test_an_upstream_that_can_be_none_is_refused_with_its_place(
    source: str, given: dict[str, object], text: str, tmp_path: Path
) -> None:
    settings = resolve(given, environ={source: "ftp://x"}, folder=tmp_path)

    with pytest.raises(UsageError) as caught:
        recording_config(settings, port=1)

    assert str(caught.value).startswith(text)


def test_a_policy_is_adjusted_setting_by_setting() -> None:
    policy = Policy(pacing=Pacing(speed=3), rules=Rules(ignore=("a",)))

    adjusted = adjust(
        policy,
        {
            "mode": "all",
            "speed": "instant",
            "max_gap": 0.5,
            "exhausted": None,
            "replace": [["a", "b"]],
            "preset": "none",
        },
    )

    assert adjusted == Policy(
        mode=RecordMode.ALL,
        pacing=Pacing(speed=INSTANT, max_gap_ns=500_000_000),
        rules=Rules(ignore=("a",), replace=(("a", "b"),), preset=Preset.NONE),
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"mode": "some"}, "mode: expected one of none, once"),
        ({"ignore": ["a["]}, "ignore: 'a['"),
        ({"port": 3}, '"port" holds for the whole server'),
    ],
    ids=["mode", "path", "port"],
)
def test_what_a_scope_can_not_have_is_refused(
    given: dict[str, object], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        adjust(Policy(), given)

    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("given", "environ", "scope", "place"),
    [
        ({}, {}, "", "{folder}/streamtape.toml"),
        ({}, {}, "chat", "{folder}/streamtape.toml"),
        ({}, {}, "own", "[scopes.own] of {folder}/streamtape.toml"),
        ({}, {}, "none", "{folder}/streamtape.toml"),
        (
            {"ignore": ["a"]},
            {},
            "",
            "argument ignore, which goes before every file,",
        ),
        (
            {},
            {"STREAMTAPE_PRESET": "none"},
            "own",
            "STREAMTAPE_PRESET, which goes before every file,",
        ),
    ],
    ids=["file", "scope", "scope-with-rules", "no-scope", "argument", "variable"],
)
def test_a_rule_is_to_be_said_where_it_holds(
    given: dict[str, object],
    environ: dict[str, str],
    scope: str,
    place: str,
    tmp_path: Path,
) -> None:
    rules = FILE + "[scopes.own]\nignore = []\n"
    (tmp_path / "streamtape.toml").write_text(rules, encoding="utf-8")
    settings = resolve(given, environ=environ, folder=tmp_path)

    assert find_place(settings, scope) == place.format(folder=tmp_path)


def test_without_a_file_the_usual_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_place(resolve(environ={})) == "[tool.streamtape] of pyproject.toml"

    (tmp_path / "pyproject.toml").write_text("[tool.streamtape]\nspeed = 2\n")
    assert find_place(resolve(environ={})) == "[tool.streamtape] of pyproject.toml"
