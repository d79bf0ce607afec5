"""An upstream behind TLS works, and one that can't show who it is gets no request."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from asyncio import StreamReader, StreamWriter, start_server
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

import streamtape
from e2e.processes import Program
from e2e.runs import read_library
from e2e.wire import Answer, Ending, ask, listen
from streamtape.core.model import Request
from streamtape.errors import UpstreamUnreachableError
from streamtape.server.upstream.client import Upstream
from streamtape.testing import (
    INSTANT,
    FakeClock,
    FakeUpstream,
    Reply,
    ReplyEnding,
    message_stream,
    raw_reply,
    text,
)

KEY = "sk-ant-api03-a-key-that-must-not-be-told"
EVENTS = message_stream(text("Grüße aus Zürich"))
BODY = b"".join(EVENTS)
OLD = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(
    authority: trustme.CA, name: str = "127.0.0.1", expiry: datetime | None = None
) -> ssl.SSLContext:
    certificate = authority.issue_cert(name, not_before=OLD, not_after=expiry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def record_through(
    url: str, authority: trustme.CA, folder: Path, body: bytes = b'{"stream": true}'
) -> tuple[Answer, str]:
    """Ask a recorder that trusts an authority; returns what the recorder said, too."""
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    where = ("--upstream", url, "--cassettes", folder / "cassettes")
    environment = {"SSL_CERT_FILE": str(trusted)}
    with Program("record", *where, "--port", "0", env=environment) as recorder:
        headers = (("x-api-key", KEY),)
        answer = ask(recorder.base_url, headers=headers, body=body)
        return answer, recorder.stop(signal.SIGTERM).stderr


@pytest.mark.parametrize(
    ("reply", "ending", "reason"),
    [
        pytest.param(raw_reply(BODY), Ending.WHOLE, "complete", id="whole"),
        pytest.param(
            raw_reply(BODY[:300], ending=ReplyEnding.CUT),
            Ending.CLOSED,
            "upstream_cut",
            id="cut",
        ),
    ],
)
def test_an_upstream_of_an_own_authority_is_recorded(
    reply: Reply, ending: Ending, reason: str, authority: trustme.CA, tmp_path: Path
) -> None:
    with FakeUpstream([reply], tls=server_tls(authority)) as upstream:
        recorded, _ = record_through(upstream.url, authority, tmp_path)
    with streamtape.replay(tmp_path / "cassettes", speed="instant") as replay:
        replayed = ask(replay.base_url, body=b'{"stream": true}')

    for answer in (recorded, replayed):
        assert (answer.status, answer.body, answer.ending) == (200, reply.body, ending)
    (cassette,) = read_library(tmp_path / "cassettes")
    assert cassette.ending.reason == reason


@pytest.mark.case(55)
def test_an_early_answer_is_passed_on_although_the_body_was_not_read(
    authority: trustme.CA, tmp_path: Path
) -> None:
    """What was not read makes the end of the connection a reset."""
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"

    def answer_early() -> None:
        accepted, _ = listening.accept()
        # Else it may wait for what TLS has sent to be taken, and be lost here already.
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with server_tls(authority).wrap_socket(accepted, server_side=True) as served:
            served.recv(1 << 10)
            served.sendall(said)

    with listen() as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        upstream = threading.Thread(target=answer_early)
        upstream.start()
        answer, _ = record_through(url, authority, tmp_path, bytes(8 << 20))
        upstream.join()

    assert (answer.status, answer.body, answer.ending) == (413, b"{}", Ending.WHOLE)


@pytest.mark.case(48)
@pytest.mark.parametrize(
    ("name", "expiry", "reason"),
    [
        pytest.param("127.0.0.1", OLD.replace(day=2), "has expired", id="expired"),
        pytest.param("example.com", None, "not valid for '127.0.0.1'", id="wrong-host"),
    ],
)
def test_a_certificate_that_is_not_valid_ends_it(
    name: str,
    expiry: datetime | None,
    reason: str,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    tls = server_tls(authority, name, expiry)
    with FakeUpstream(profile=INSTANT, tls=tls) as upstream:
        answer, said = record_through(upstream.url, authority, tmp_path)

    assert (answer.status, answer.header("x-should-retry")) == (502, None)
    assert b'"type": "api_error"' in answer.body
    for told in (answer.body.decode(), said):
        assert reason in told
        assert upstream.url in told
        assert KEY not in told
        assert "Traceback" not in told
    assert upstream.requests == []
    assert list((tmp_path / "cassettes").iterdir()) == []


@pytest.mark.case(48)
def test_an_issuer_whom_nobody_knows_ends_it(
    authority: trustme.CA, tmp_path: Path
) -> None:
    """As it does by default: nothing was set that makes this recorder trust anybody."""
    with (
        FakeUpstream(profile=INSTANT, tls=server_tls(authority)) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        answer = ask(recording.base_url, headers=(("x-api-key", KEY),))

    assert answer.status == 502
    assert upstream.url.encode() in answer.body
    assert b"name a file with that certificate in SSL_CERT_FILE" in answer.body
    assert KEY.encode() not in answer.body
    assert upstream.requests == []


@pytest.mark.case(48)
@pytest.mark.parametrize(
    "sent", [b"", b"\x16\x03\x03\x00\x50\x02\x00", b"HTTP/1.1 400"]
)
async def test_a_handshake_that_breaks_off_ends_it(sent: bytes) -> None:
    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(sent)
        writer.close()

    async with await start_server(answer, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        upstream = Upstream(url, FakeClock(), idle_limit_ns=10 * 10**9)
        with pytest.raises(UpstreamUnreachableError, match=url) as caught:
            await upstream.send(Request(method="POST", target="/v1/messages"))
        await upstream.close()

    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(None, "can't be read: No such file or directory", id="missing"),
        pytest.param(b"no PEM", "expected certificates in PEM, found none", id="other"),
    ],
)
def test_authorities_that_cannot_be_read_end_a_recorder_at_its_start(
    content: bytes | None, fault: str, tmp_path: Path
) -> None:
    named = tmp_path / "authority.pem"
    if content is not None:
        named.write_bytes(content)
    where = ("--cassettes", tmp_path / "cassettes", "--port", "0")

    with Program(
        *("record", "--upstream", "https://127.0.0.1:9", *where),
        env={"SSL_CERT_FILE": str(named)},
    ) as recorder:
        end = recorder.finish()

    assert end.status == 2
    assert end.stderr == f"Error: SSL_CERT_FILE: {named}: {fault}\n"
