from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamtape.core.modes import RecordMode
from streamtape.errors import RefusedRequestError, UsageError
from streamtape.server.config import Config, Policy
from streamtape.server.state.scopes import Scopes, is_scope_name, split_scope


@pytest.mark.parametrize(
    ("target", "split"),
    [
        pytest.param("/v1/messages?a=~b", ("", "", "/v1/messages?a=~b"), id="none"),
        pytest.param(
            "/~chat/v1/messages?b=1", ("/~chat", "chat", "/v1/messages?b=1"), id="one"
        ),
        pytest.param(
            "/~chat%2Fa%20b/v1", ("/~chat%2Fa%20b", "chat/a b", "/v1"), id="within"
        ),
        pytest.param("/~chat", ("/~chat", "chat", "/"), id="nothing behind it"),
        pytest.param("/~chat?a=1", ("/~chat", "chat", "/?a=1"), id="a query alone"),
        pytest.param("/~t%5B1%5D/v1", ("/~t%5B1%5D", "t[1]", "/v1"), id="a parameter"),
        pytest.param("/v1/~chat", ("", "", "/v1/~chat"), id="further on"),
    ],
)
def test_the_first_segment_of_a_target_may_name_a_scope(
    target: str, split: tuple[str, str, str]
) -> None:
    assert split_scope(target) == split


@pytest.mark.parametrize(
    "target",
    [
        "/~/v1/messages",
        "/~.git/v1/messages",
        "/~%2e%2e/v1/messages",
        "/~a%2F..%2Fb/v1/messages",
        "/~%2Fetc/v1/messages",
        "/~a%5C..%5Cb/v1/messages",
        "/~a%00b/v1/messages",
        "/~a%0Ab/v1/messages",
        "/~C%3A/v1/messages",
        "/~a./v1/messages",
        "/~" + 201 * "a" + "/v1/messages",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(RefusedRequestError, match="can't be a scope"):
        split_scope(target)


def test_names_of_tests_are_names_of_scopes() -> None:
    assert is_scope_name("test_chat/TestChat.test_it[a-1, b=2]")


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
