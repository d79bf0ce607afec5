from __future__ import annotations

import http.client
import socket
import urllib.request
from collections.abc import Iterator

import anthropic
import pytest

from streamtape.testing import (
    INSTANT,
    FakeUpstream,
    Framing,
    Profile,
    Reply,
    ReplyEnding,
    SeenRequest,
    Write,
    error_reply,
    json_reply,
    message_stream,
    raw_reply,
    stream_reply,
    text,
    thinking,
)

MS = 1_000_000


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(profile=INSTANT) as running:
        yield running


def get(reply: Reply) -> tuple[http.client.HTTPResponse, bytes]:
    with FakeUpstream([reply]) as upstream:
        connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def test_requests_are_seen_as_they_were_sent(upstream: FakeUpstream) -> None:
    connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
    chunks = iter([b'{"a"', b": 1}"])
    headers = {"X-Odd-Case": "Yes", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/v1/x?b=%20", chunks, headers, encode_chunked=True)
    connection.getresponse().read()
    connection.request("GET", "/v1/again")
    connection.getresponse().read()
    connection.close()

    first, second = upstream.requests
    assert (first.method, first.target, first.path) == ("POST", "/v1/x?b=%20", "/v1/x")
    assert ("X-Odd-Case", "Yes") in first.headers
    assert first.header("x-odd-case") == "Yes"
    assert first.header("x-none") is None
    assert first.body == b'{"a": 1}'
    assert first.json == {"a": 1}
    assert (second.target, second.body) == ("/v1/again", b"")


def test_an_empty_write_does_not_end_the_body() -> None:
    """In chunks nothing would be the end, and what follows would be the next answer."""
    body = [Write(0, b""), Write(0, b"abc"), Write(0, b"")]
    with FakeUpstream([raw_reply(body)]) as upstream:
        connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
        bodies = []
        for _ in range(2):
            connection.request("GET", "/")
            bodies.append(connection.getresponse().read())
        connection.close()

    assert bodies == [b"abc", b"abc"]


def test_a_client_that_waits_to_go_on_is_told_so(upstream: FakeUpstream) -> None:
    host, port = upstream.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 404")

    assert upstream.requests[0].body == b"{}"


def test_replies_are_given_in_turn_and_the_last_for_ever() -> None:
    replies = [error_reply(529, "overloaded_error", "Overloaded"), json_reply({"a": 1})]
    with FakeUpstream(replies) as upstream:
        statuses = []
        for _ in range(3):
            connection = http.client.HTTPConnection(
                upstream.url.removeprefix("http://")
            )
            connection.request("GET", "/")
            statuses.append(connection.getresponse().status)
            connection.close()

    assert statuses == [529, 200, 200]


def test_no_replies_are_refused() -> None:
    with pytest.raises(ValueError, match="no replies"):
        FakeUpstream([])


def test_a_function_that_raises_is_told_to_the_client() -> None:
    def answers(seen: SeenRequest) -> Reply:
        raise KeyError(seen.target)

    with (
        FakeUpstream(answers) as upstream,
        anthropic.Anthropic(base_url=upstream.url, api_key="k") as client,
        pytest.raises(anthropic.InternalServerError, match="KeyError: '/v1/models'"),
    ):
        client.models.list()

    assert len(upstream.requests) == 1


@pytest.mark.parametrize("framing", Framing)
def test_each_framing_brings_the_whole_body(framing: Framing) -> None:
    reply = raw_reply(
        [Write(0, b"data: \xc3"), Write(2 * MS, b"\xbc\r\n\r\n")],
        status=201,
        headers=(("X-One", "1"), ("X-One", "2")),
        framing=framing,
    )

    response, body = get(reply)

    assert (response.status, body) == (201, b"data: \xc3\xbc\r\n\r\n")
    assert response.headers.get_all("x-one") == ["1", "2"]
    assert response.will_close == (framing is Framing.CLOSE)


def test_a_reply_has_no_headers_but_its_own_and_the_framing() -> None:
    response, _ = get(raw_reply(b"", content_type=None))

    assert response.getheaders() == [("transfer-encoding", "chunked")]


def test_head_requests_get_no_body() -> None:
    with FakeUpstream([json_reply({"a": 1})]) as upstream:
        host, port = upstream.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
            received = connection.makefile("rb").read()

    assert received.endswith(b"content-length: 7\r\n\r\n")


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.LENGTH])
def test_a_cut_body_breaks_its_framing(framing: Framing) -> None:
    reply = raw_reply(b"abc", framing=framing, ending=ReplyEnding.CUT)

    with pytest.raises(http.client.IncompleteRead) as caught:
        get(reply)

    assert caught.value.partial == b"abc"


def test_a_cut_without_a_framing_looks_like_the_end() -> None:
    reply = raw_reply(b"abc", framing=Framing.CLOSE, ending=ReplyEnding.CUT)

    assert get(reply)[1] == b"abc"


def test_a_reset_comes_after_all_that_was_written() -> None:
    reply = raw_reply(b"x" * 50_000, ending=ReplyEnding.RESET)
    with FakeUpstream([reply]) as upstream:
        host, port = upstream.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            received = b""
            while not received.endswith(b"x\r\n"):
                received += connection.recv(1 << 16)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)

    assert received.endswith(b"x" * 50_000 + b"\r\n")


def test_a_stalled_reply_waits_for_the_client_to_leave() -> None:
    reply = raw_reply(b"abc", ending=ReplyEnding.STALL)
    with FakeUpstream([reply]) as upstream:
        connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.read(3) == b"abc"
        connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            response.read(1)
        response.close()
        connection.close()

        assert upstream.wait_for_departure()


def test_a_client_that_leaves_midway_is_noticed() -> None:
    endless = raw_reply([Write(number * MS, b"x") for number in range(60_000)])
    with FakeUpstream([endless]) as upstream:
        with urllib.request.urlopen(upstream.url) as response:
            assert response.read(1) == b"x"

        assert upstream.wait_for_departure()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a", id="half-a-head"),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc", id="half-a-body"
        ),
        pytest.param(b"nonsense\r\n\r\n", id="no-http"),
    ],
)
def test_what_is_no_whole_request_is_not_answered(
    upstream: FakeUpstream, sent: bytes
) -> None:
    host, port = upstream.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(100) == b""
    assert upstream.requests == []


def test_stopping_does_not_wait_for_clients() -> None:
    reply = raw_reply([Write(0, b"abc"), Write(3_600_000 * MS, b"def")])
    upstream = FakeUpstream([reply])
    upstream.start()
    connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read(3) == b"abc"

    upstream.stop()
    upstream.stop()

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    response.close()
    connection.close()


def test_a_taken_port_is_an_error(upstream: FakeUpstream) -> None:
    port = int(upstream.url.rpartition(":")[2])

    with pytest.raises(OSError, match=r"in use"):
        FakeUpstream(port=port).start()


def test_a_timed_stream_arrives_whole() -> None:
    """What is due late, split and joined is the same stream in the end."""
    profile = Profile(ttft_ns=5 * MS, gap_ns=MS, pause_ns=0, joins=0.5)
    blocks = [thinking("Überlegen …"), text("Grüße aus Zürich")]

    _, body = get(stream_reply(*blocks, profile=profile))

    assert body == b"".join(message_stream(*blocks))
