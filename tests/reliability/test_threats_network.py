"""The loopback interface and no other, or a token."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import KEY
from e2e.processes import PATIENCE_S, Program
from e2e.runs import read_library
from e2e.wire import Answer, ask_raw, raw_request
from streamtape.core.modes import RecordMode
from streamtape.errors import UsageError
from streamtape.server.config import Config
from streamtape.server.http.listen import bind
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import INSTANT, FakeUpstream, json_reply, stream_reply, text

TOKEN: Final = "a-token-of-this-test-0123456789"
REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


def find_address() -> str | None:
    """Return an address of this machine that others can reach, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            # That sends nothing: it only looks for the way there.
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found: str = asking.getsockname()[0]
        return None if found.startswith("127.") else found


ADDRESS: Final = find_address()
needs_address = pytest.mark.skipif(
    ADDRESS is None, reason="this machine has no address but those of its own"
)


@contextmanager
def listening(
    upstream: FakeUpstream, folder: Path, address: str | None
) -> Iterator[tuple[RunningServer, str]]:
    """
    Record there; gives the server and its base URL from elsewhere, without a token.
    """
    config = Config(
        cassettes=folder,
        policy=Policy(mode=RecordMode.ALL),
        upstream=upstream.url,
        listen=address,
        token=TOKEN,
    )
    with RunningServer(config) as server:
        port = server.base_url.rpartition(":")[2]
        yield server, f"http://{ADDRESS}:{port}"


def send(
    base_url: str, target: str, *lines: str, method: str = "GET", body: str = ""
) -> Answer:
    sized = f"Content-Length: {len(body)}"
    line = f"{method} {target} HTTP/1.1"
    return ask_raw(base_url, raw_request(base_url, line, sized, *lines, body=body))


@needs_address
@pytest.mark.case(70)
def test_nobody_elsewhere_can_connect(tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as server:
        port = int(server.base_url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ADDRESS, port), timeout=PATIENCE_S)
        assert server.outer_url == ""


TARGETS: Final = [
    "/v1/models",
    "/",
    "/_streamtape/health",
    "/_streamtape/status",
    "/_streamtape/reset",
    "/_streamtape/as/",
    "/_streamtape/as/wrong/v1/models",
    f"/_streamtape/as/{TOKEN}x/v1/models",
    f"/_streamtape/as/{TOKEN[:-1]}/v1/models",
    f"/_streamtape/as/{TOKEN.upper()}/v1/models",
    f"//_streamtape/as/{TOKEN}/v1/models",
    f"/~scope/_streamtape/as/{TOKEN}/v1/models",
    f"/v1/models?token={TOKEN}",
    "http://evil.example/",
]


@needs_address
@pytest.mark.case(70)
@pytest.mark.parametrize("address", [ADDRESS, "0.0.0.0"])
def test_a_client_elsewhere_without_the_token_learns_nothing(
    address: str, tmp_path: Path
) -> None:
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        listening(upstream, tmp_path, address) as (server, url),
    ):
        refused = [
            send(url, target, *lines, method=method)
            for target in TARGETS
            for method in ("GET", "POST", "HEAD", "OPTIONS")
            for lines in (
                ["x-streamtape-token: wrong"],
                ["Origin: http://localhost"],
                # Whoever says so comes from elsewhere all the same.
                ["Host: 127.0.0.1", "X-Forwarded-For: 127.0.0.1"][1:],
            )
        ]
        here = send(server.base_url, "/v1/models")

    assert {answer.status for answer in refused} == {403}
    told = {answer.body for answer in refused} - {b""}
    assert len(told) == 1
    message = json.loads(told.pop())["error"]
    assert message["type"] == "permission_error"
    assert (
        message["message"]
        == "the token of this server is missing, or not the right one"
    )
    assert all(not answer.header("access-control-allow-origin") for answer in refused)
    # A client of this machine needs none.
    assert here.status == 200
    assert len(upstream.requests) == 1


@needs_address
@pytest.mark.case(70)
@pytest.mark.parametrize("address", [ADDRESS, "0.0.0.0"])
def test_a_client_elsewhere_with_the_token_is_served(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    results_url = "https://api.anthropic.com/v1/messages/batches/b/results"
    batch = json_reply({"id": "b", "results_url": results_url})
    with (
        FakeUpstream([REPLY, REPLY, REPLY, batch]) as upstream,
        listening(upstream, tmp_path, address) as (server, url),
    ):
        base = f"/_streamtape/as/{TOKEN}"
        assert server.outer_url.endswith(f"{url.rpartition(':')[2]}{base}")
        header = f"x-streamtape-token: {TOKEN}"
        key = f"x-api-key: {KEY}"
        answers = [
            send(url, f"{base}/v1/messages", key, method="POST", body="{}"),
            send(url, "/v1/messages", key, header, method="POST", body="[]"),
            send(url, f"{base}/~chat/v1/messages", key, method="POST", body="{}"),
            send(url, f"{base}/v1/messages/batches/b"),
            send(url, f"{base}/_streamtape/health"),
        ]
        page = send(url, f"{base}/v1/models", "Origin: https://evil.example")

    assert [answer.status for answer in answers] == [200] * 5
    assert page.status == 403
    # It is followed with the token, or it would not be answered.
    assert json.loads(answers[3].body)["results_url"] == (
        f"{url}{base}/v1/messages/batches/b/results"
    )
    assert [seen.target for seen in upstream.requests] == [
        "/v1/messages",
        "/v1/messages",
        "/v1/messages",
        "/v1/messages/batches/b",
    ]
    for seen in upstream.requests:
        assert TOKEN not in f"{seen.target}{seen.headers}"
    assert len(read_library(tmp_path)) == 4
    kept = [path.read_bytes() for path in tmp_path.rglob("*.tape")]
    assert not any(TOKEN.encode() in each for each in kept)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(server.config)
    # A replay on the loopback interface answers the same requests without it.
    with streamtape.replay(tmp_path) as replay:
        again = send(replay.base_url, "/v1/messages", method="POST", body="{}")
        assert again.body == answers[0].body


@needs_address
@pytest.mark.case(70)
def test_the_program_tells_a_token_that_it_made_and_no_other(tmp_path: Path) -> None:
    arguments = (
        "replay",
        "--cassettes",
        tmp_path,
        "--port",
        "0",
        "--listen",
        "0.0.0.0",
    )
    with Program(*arguments) as replay:
        port = replay.base_url.rpartition(":")[2]
        line = replay.wait_for("for clients elsewhere")
        found = re.match(r"http://\S+:\d+(/_streamtape/as/[\w-]{40,})  for ", line)
        assert found is not None
        url = f"http://{ADDRESS}:{port}"
        assert send(url, f"{found[1]}/_streamtape/health").status == 200
        assert send(url, "/_streamtape/health").status == 403
        made = replay.stop()
    with Program(*arguments, env={"STREAMTAPE_TOKEN": TOKEN}) as replay:
        url = f"http://{ADDRESS}:{replay.base_url.rpartition(':')[2]}"
        assert "/_streamtape/as/$STREAMTAPE_TOKEN " in replay.wait_for("elsewhere")
        assert send(url, f"/_streamtape/as/{TOKEN}/v1/models").status == 424
        given = replay.stop()

    # It is said once, in the line that is there for it.
    assert made.stderr.count(found[1]) == 1
    assert TOKEN not in given.stderr + given.stdout


def test_a_token_that_is_too_short_is_refused(tmp_path: Path) -> None:
    config = Config(cassettes=tmp_path, listen="0.0.0.0", token="short")

    with pytest.raises(UsageError, match="STREAMTAPE_TOKEN: expected 20 to 200"):
        RunningServer(config).__enter__()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    config = Config(cassettes=tmp_path, listen="192.0.2.1")

    with pytest.raises(UsageError, match=r"192\.0\.2\.1: this machine has no such"):
        RunningServer(config).__enter__()


def test_a_port_that_another_has_on_ipv6_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with closing(taken):
        port = taken.getsockname()[1]
        sockets = bind(port)
        for each in sockets:
            each.close()

    assert [each.family for each in sockets] == [socket.AF_INET]
    [warning] = caplog.messages
    assert warning.startswith(f"port {port} of ::1 is taken by another program")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_what_is_listened_on_anyway_is_nothing_more(address: str) -> None:
    besides = bind(0, besides=address)
    alone = bind(0)
    try:
        assert len(besides) == len(alone)
    finally:
        for each in (*besides, *alone):
            each.close()


def test_a_further_loopback_address_is_refused(tmp_path: Path) -> None:
    """Nobody would be let in there: no request may name it as this host."""
    config = Config(cassettes=tmp_path, listen="127.0.0.2")

    with pytest.raises(UsageError, match=r"listen 127\.0\.0\.2: of the loopback"):
        RunningServer(config).__enter__()
