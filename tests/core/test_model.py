from __future__ import annotations

import pytest

from streamtape.core.model import (
    Ending,
    EndReason,
    Headers,
    Request,
    Response,
    find_header,
    media_type,
)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param("/v1/messages", "/v1/messages", id="no-query"),
        pytest.param("/v1/messages?beta=true", "/v1/messages", id="query"),
        pytest.param("/v1/files?a=1?b=2", "/v1/files", id="second-question-mark"),
        pytest.param("/", "/", id="root"),
    ],
)
def test_a_path_is_the_target_without_its_query(target: str, path: str) -> None:
    assert Request(method="POST", target=target).path == path


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param((), "", id="none"),
        pytest.param((("Content-Type", "text/plain"),), "text/plain", id="plain"),
        pytest.param(
            (("content-type", "TEXT/Event-Stream ; charset=utf-8"),),
            "text/event-stream",
            id="case-and-parameters",
        ),
        pytest.param((("content-type", ""),), "", id="empty"),
    ],
)
def test_a_media_type_is_lower_case_and_bare(headers: Headers, expected: str) -> None:
    request = Request(method="POST", target="/", headers=headers)

    assert media_type(headers) == request.content_type == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("text/event-streams", False),
        ("application/json", False),
    ],
)
def test_an_event_stream_is_told_by_its_media_type(value: str, expected: bool) -> None:
    response = Response(
        status=200, reason="OK", headers=(("Content-Type", value),), offset_ns=0
    )

    assert response.is_event_stream is expected


def test_the_first_header_of_a_name_counts() -> None:
    headers = (("X-A", "1"), ("x-a", "2"))

    assert find_header(headers, "x-a") == "1"
    assert find_header(headers, "x-b") is None


@pytest.mark.parametrize("reason", EndReason)
def test_only_complete_is_complete(reason: EndReason) -> None:
    ending = Ending(reason=reason, offset_ns=0)

    assert ending.is_complete is (reason is EndReason.COMPLETE)
