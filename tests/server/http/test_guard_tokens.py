from __future__ import annotations

import pytest

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_text
from streamtape.errors import RefusedRequestError, UsageError
from streamtape.server.http.guard import check_token, find_token, outer_url

TOKEN = "a-Token.of_our~own-0123456789"


@pytest.mark.parametrize(
    ("target", "sent", "expected"),
    [
        pytest.param(
            f"/_streamtape/as/{TOKEN}/v1/messages?beta=true",
            None,
            (f"/_streamtape/as/{TOKEN}", "/v1/messages?beta=true"),
            id="in-the-path",
        ),
        pytest.param(
            f"/_streamtape/as/{TOKEN}/~chat/v1",
            None,
            (f"/_streamtape/as/{TOKEN}", "/~chat/v1"),
            id="before-a-scope",
        ),
        pytest.param(
            f"/_streamtape/as/{TOKEN}",
            None,
            (f"/_streamtape/as/{TOKEN}", "/"),
            id="alone",
        ),
        pytest.param(
            f"/_streamtape/as/{TOKEN}?a",
            None,
            (f"/_streamtape/as/{TOKEN}", "/?a"),
            id="before-a-query",
        ),
        pytest.param("/v1/messages", TOKEN, ("", "/v1/messages"), id="in-the-header"),
    ],
)
def test_the_right_token_is_let_in(
    target: str, sent: str | None, expected: tuple[str, str]
) -> None:
    assert check_token(target, sent, token=TOKEN, is_needed=True) == expected


@pytest.mark.parametrize("is_needed", [True, False])
@pytest.mark.parametrize(
    ("target", "sent"),
    [
        pytest.param("/_streamtape/as/", None, id="empty"),
        pytest.param(f"/_streamtape/as/{TOKEN}x/v1", None, id="longer"),
        pytest.param(f"/_streamtape/as/{TOKEN[:-1]}/v1", None, id="shorter"),
        pytest.param(f"/_streamtape/as/x/v1/{TOKEN}", TOKEN, id="wrong-path"),
        pytest.param("/_streamtape/as/\udcff\udcfe/v1", None, id="no-text"),
    ],
)
def test_a_wrong_token_is_refused_wherever_it_comes_from(
    target: str, sent: str | None, is_needed: bool
) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_token(target, sent, token=TOKEN, is_needed=is_needed)

    assert caught.value.status == 403
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("sent", [None, "", "wrong", "\udcff", TOKEN.upper()])
def test_a_request_without_the_token_is_refused_where_it_is_needed(
    sent: str | None,
) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_token("/_streamtape/health", sent, token=TOKEN, is_needed=True)

    assert caught.value.status == 403
    assert check_token("/v1", sent, token=TOKEN, is_needed=False) == ("", "/v1")


def test_a_token_is_no_path_of_a_server_that_has_none() -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_token(f"/_streamtape/as/{TOKEN}/v1", None, token=None, is_needed=False)

    assert caught.value.status == 404
    assert TOKEN not in str(caught.value)


def test_another_address_has_a_token_of_its_own_each_time() -> None:
    secrets = Secrets()
    first, second = (find_token("192.0.2.1", None, secrets) for _ in range(2))

    assert first is not None
    assert first != second
    assert len(first) > 40
    assert first not in clean_text(f"it is {first}", secrets)
    assert find_token("0.0.0.0", TOKEN, Secrets()) == TOKEN


@pytest.mark.parametrize("address", [None, "127.0.0.1", "::1", "127.0.0.2"])
def test_the_loopback_interface_has_no_token(address: str | None) -> None:
    assert find_token(address, TOKEN, Secrets()) is None


@pytest.mark.parametrize("given", ["short", "x" * 201, f"{TOKEN}/", f"{TOKEN}\n"])
def test_what_cant_be_a_token_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(UsageError, match="STREAMTAPE_TOKEN") as caught:
        find_token("192.0.2.1", given, Secrets())

    assert given not in str(caught.value)


def test_the_base_url_holds_the_token() -> None:
    assert (
        outer_url("2001:db8::1", port=1, token=TOKEN)
        == f"http://[2001:db8::1]:1/_streamtape/as/{TOKEN}"
    )
    assert "0.0.0.0" not in outer_url("0.0.0.0", port=1, token=TOKEN)
