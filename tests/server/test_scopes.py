from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamtape.core.modes import RecordMode
from streamtape.errors import UsageError
from streamtape.server.config import Config
from streamtape.server.scopes import Scopes
from streamtape.settings import Policy


def test_settings_for_a_scope_that_can_not_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scope '\.\./out': expected a folder"):
        Scopes(Config(cassettes=tmp_path, scopes={"../out": Policy()}))


def test_a_scope_is_made_once(tmp_path: Path) -> None:
    scopes = Scopes(Config(cassettes=tmp_path))

    assert scopes.get("chat") is scopes.get("chat")
    assert scopes.get("chat").library.folder == tmp_path / "chat"
    assert scopes.get("").library.folder == tmp_path


def test_a_scope_has_the_policy_of_its_own_or_that_of_all(tmp_path: Path) -> None:
    own, shared = Policy(mode=RecordMode.ALL), Policy(mode=RecordMode.ONCE)
    scopes = Scopes(Config(cassettes=tmp_path, policy=shared, scopes={"chat": own}))

    assert scopes.get("chat").policy is own
    assert scopes.get("other").policy is shared


def test_a_new_policy_begins_a_scope_anew_and_forgets_no_count(tmp_path: Path) -> None:
    scopes = Scopes(Config(cassettes=tmp_path))
    before = scopes.get("chat")
    before.tally.count("miss")

    scopes.set_policy("chat", replace(before.policy, mode=RecordMode.ALL))
    scopes.get("chat").tally.count("miss")

    assert scopes.get("chat") is not before
    assert scopes.status("chat")["requests"] == {"miss": 2}
    assert scopes.status("chat")["mode"] == "all"


def test_whether_a_scope_began_empty_is_found_out_when_it_is_opened(
    tmp_path: Path,
) -> None:
    scope = Scopes(Config(cassettes=tmp_path)).get("chat")

    scope.open()

    assert scope.began_empty
