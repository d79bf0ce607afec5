"""
Targets and upstreams that would lead to another host, to another file, or in a circle.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import ask_raw, authority, connect, raw_request, url_of
from proofs import Trials
from streamtape.core.modes import RecordMode
from streamtape.errors import UsageError
from streamtape.server.config import Config
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text

REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A server that nobody may find."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_found(canary: socket.socket) -> bool:
    try:
        canary.accept()[0].close()
    except BlockingIOError:
        return False
    return True


ELSEWHERE: Final = [
    "POST http://{canary}/v1/messages HTTP/1.1",
    "POST https://{canary}/v1/messages HTTP/1.1",
    "POST HTTP://{canary}/v1/messages HTTP/1.1",
    "GET http://127.0.0.1:{port}@{canary}/v1 HTTP/1.1",
    "GET //{canary}/v1/models HTTP/1.1",
    "GET ///{canary}/v1/models HTTP/1.1",
    "GET /\\{canary}/v1/models HTTP/1.1",
    "GET \\\\{canary}/v1/models HTTP/1.1",
    "GET @{canary}/v1/models HTTP/1.1",
    "GET .{canary}/v1/models HTTP/1.1",
    "GET /@{canary}/v1/models HTTP/1.1",
    "GET /%2f{canary}/v1/models HTTP/1.1",
    "GET /~x//{canary}/v1/models HTTP/1.1",
    "GET /~x/\\{canary}/v1/models HTTP/1.1",
    "GET /v1?url=http://{canary}/ HTTP/1.1",
    "GET /v1#@{canary}/ HTTP/1.1",
    "CONNECT {canary} HTTP/1.1",
    "OPTIONS * HTTP/1.1",
]

HEADERS: Final = [
    "X-Forwarded-Host: {canary}",
    "X-Forwarded-For: {canary}",
    "X-Original-URL: http://{canary}/",
    "X-Rewrite-URL: http://{canary}/",
    "Forwarded: host={canary}",
    "X-HTTP-Method-Override: CONNECT",
    "Referer: http://{canary}/",
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings",
    "x-streamtape-upstream: http://{canary}",
]


@pytest.mark.case(68)
def test_no_target_and_no_header_leads_to_another_host(
    tmp_path: Path, canary: socket.socket, trials: Trials
) -> None:
    there = authority(url_of(canary))
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recorder,
        streamtape.replay(tmp_path) as replay,
    ):
        for url in (recorder.base_url, replay.base_url):
            port = authority(url).rpartition(":")[2]
            sent = [(line, HEADERS[:1]) for line in ELSEWHERE]
            sent += [("GET /v1/models HTTP/1.1", [header]) for header in HEADERS]
            for line, headers in sent:
                raw = raw_request(url, line, *headers).decode()
                raw = raw.replace("{canary}", there).replace("{port}", port)
                ask_raw(url, raw.encode())
                trials.ran += 1
                trials.wrong += was_found(canary)

    assert trials.wrong == 0
    # Only what begins as a path of ours went anywhere, and it went to the upstream.
    assert all(seen.target.startswith("/") for seen in upstream.requests)
    assert {seen.header("host") for seen in upstream.requests} == {
        authority(upstream.url)
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}",
        "http://localhost:{port}/v1",
        "http://LOCALHOST:{port}",
        "http://[::1]:{port}/",
        "http://[0:0:0:0:0:0:0:1]:{port}",
        "http://127.8.9.1:{port}",
        "http://0.0.0.0:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/~scope",
    ],
)
def test_a_proxy_is_not_its_own_upstream(url: str, tmp_path: Path) -> None:
    port = free_port()
    config = Config(
        cassettes=tmp_path,
        policy=Policy(mode=RecordMode.ALL),
        upstream=url.format(port=port),
        port=port,
    )

    with pytest.raises(UsageError, match="is this proxy itself"):
        RunningServer(config).__enter__()


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "host", ["127.1", "localhost.", "[::ffff:127.0.0.1]", "0x7f.1"]
)
def test_odd_names_of_this_machine_are_no_upstream(host: str, tmp_path: Path) -> None:
    """
    They would be sent to unencrypted, which is for plain names of this machine alone.
    """
    with pytest.raises(UsageError, match=r"unencrypted|expected a base URL"):
        streamtape.record(tmp_path, upstream=f"http://{host}:8484")


AIMED: Final = [
    "/../../../../outside",
    "/v1/../../outside",
    "/v1/%2e%2e/%2e%2e/outside",
    "/v1/..%2f..%2f..%2foutside",
    "/v1/%2e%2e%2f%2e%2e%2foutside",
    "/v1/..%5c..%5coutside",
    "/v1/..\\..\\outside",
    "/v1/%00outside",
    "/v1/outside%00.tape",
    "/v1/" + "x" * 3000,
    "/v1/" + "%2f" * 500 + "outside",
    "/v1/%e2%80%ae/outside",
    "/v1/CON",
    "/v1/.hidden",
    "/~../v1/messages",
    "/~..%2foutside/v1/messages",
    "/~%2e%2e%2foutside/v1/messages",
    "/~%2foutside/v1/messages",
    "/~a%2f..%2f..%2foutside/v1/messages",
    "/~a%00b/v1/messages",
    "/~" + "x" * 3000 + "/v1/messages",
    "/~.hidden/v1/messages",
    "/~CON/v1/messages",
    "/~%5c%5chost%5cshare/v1/messages",
]

AIMED_HEADERS: Final = [
    "content-type: ../../outside",
    "x-streamtape-scope: ../outside",
    "anthropic-beta: " + "../" * 500 + "outside",
    "user-agent: /../../outside",
]


@pytest.mark.case(76)
def test_no_path_and_no_header_makes_a_file_outside(
    tmp_path: Path, trials: Trials
) -> None:
    folder = tmp_path / "a" / "b" / "cassettes"
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recorder,
    ):
        url = recorder.base_url
        for target in AIMED:
            ask_raw(url, raw_request(url, f"POST {target} HTTP/1.1"))
        for header in AIMED_HEADERS:
            ask_raw(url, raw_request(url, "POST /v1/messages HTTP/1.1", header))
        with connect(url) as client:
            client.sendall(raw_request(url, "POST /v1/\0/../outside HTTP/1.1"))
            assert client.recv(1 << 16).startswith(b"HTTP/1.0 400 ")
    trials.ran = len(AIMED) + len(AIMED_HEADERS) + 1

    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    outside = [path for path in made if not path.is_relative_to(folder)]
    trials.wrong = len(outside)
    assert outside == []
    assert len(made) == len(upstream.requests)
    for path in made:
        # A plain name, with no blank or control character, that any system takes.
        assert path.name.isascii()
        assert path.name.isprintable()
        assert len(os.fsencode(path.name)) < 100
        assert not path.name.startswith(".")
    assert len(read_library(folder)) > 0


@pytest.mark.case(85)
def test_proxies_and_passwords_of_the_environment_are_not_used(
    tmp_path: Path, canary: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY"):
        for each in (name, name.lower()):
            monkeypatch.setenv(each, url_of(canary))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        streamtape.record(tmp_path / "tapes", upstream=upstream.url) as recorder,
    ):
        url = recorder.base_url
        answer = ask_raw(url, raw_request(url, "GET /v1/models HTTP/1.1"))

    assert answer.status == 200
    assert not was_found(canary)
    [seen] = upstream.requests
    assert seen.header("authorization") is None
    assert seen.header("proxy-authorization") is None


@pytest.mark.case(85)
def test_cookies_are_not_kept_between_requests(tmp_path: Path) -> None:
    setting = replace(REPLY, headers=(*REPLY.headers, ("Set-Cookie", "a=1; Path=/")))
    with (
        FakeUpstream(lambda _: setting) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recorder,
    ):
        url = recorder.base_url
        answers = [
            ask_raw(url, raw_request(url, "GET /v1/models HTTP/1.1")) for _ in range(3)
        ]

    assert all(answer.header("set-cookie") == "a=1; Path=/" for answer in answers)
    assert [seen.header("cookie") for seen in upstream.requests] == [None] * 3
