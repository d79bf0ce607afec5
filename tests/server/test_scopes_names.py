from __future__ import annotations

import pytest

from streamtape.errors import RefusedRequestError
from streamtape.server.scopes import is_scope_name, split_scope


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
