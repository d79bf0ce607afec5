"""Who may use a proxy of this machine: programs on it, and pages of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.wire import Answer, ask_raw, authority
from proofs import Trials
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text

REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)

HOSTS: Final = {
    "another": "Host: evil.example",
    "another with our port": "Host: evil.example:{port}",
    "a longer name": "Host: 127.0.0.1.evil.example:{port}",
    "a user before ours": "Host: 127.0.0.1:{port}@evil.example",
    "a user before another": "Host: evil.example@127.0.0.1:{port}",
    "another port": "Host: 127.0.0.1:1",
    "no port": "Host: 127.0.0.1",
    "any address": "Host: 0.0.0.0:{port}",
    "in decimal": "Host: 2130706433:{port}",
    "with a dot": "Host: localhost.:{port}",
    "empty": "Host:",
    "ours behind a comma": "Host: evil.example, 127.0.0.1:{port}",
    "with a path": "Host: 127.0.0.1:{port}/evil.example",
}

PAGES: Final = {
    "another": ["Origin: https://evil.example"],
    "another with our port": ["Origin: http://evil.example:{port}"],
    "null": ["Origin: null"],
    "an address of the network": ["Origin: http://192.168.0.2"],
    "a public address": ["Origin: http://203.0.113.7:{port}"],
    "any address": ["Origin: http://0.0.0.0:{port}"],
    "the machine in decimal": ["Origin: http://2130706433:{port}"],
    "a longer name": ["Origin: http://localhost.evil.example"],
    "a user": ["Origin: http://localhost@evil.example"],
    "a file": ["Origin: file://"],
    "an extension": ["Origin: chrome-extension://abcdefgh"],
    "two of them": ["Origin: http://localhost", "Origin: http://evil.example"],
    "a form as text": ["Origin: https://evil.example", "Content-Type: text/plain"],
    "without cors": ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
    "a picture": ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"],
    "a link": ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
}

LINES: Final = (
    "POST /v1/messages HTTP/1.1",
    "GET /v1/models HTTP/1.1",
    "OPTIONS /v1/messages HTTP/1.1",
    "GET /_streamtape/status HTTP/1.1",
    "POST /_streamtape/reset HTTP/1.1",
    "HEAD / HTTP/1.1",
)


@contextmanager
def both_servers(folder: Path) -> Iterator[tuple[FakeUpstream, list[str]]]:
    """Run a recorder and a replay; gives their upstream and their base URLs."""
    with ExitStack() as stack:
        upstream = stack.enter_context(FakeUpstream(lambda _: REPLY))
        recorder = streamtape.record(folder, upstream=upstream.url)
        urls = [stack.enter_context(recorder).base_url]
        urls.append(stack.enter_context(streamtape.replay(folder)).base_url)
        yield upstream, urls


def send(base_url: str, line: str, *headers: str) -> Answer:
    port = authority(base_url).rpartition(":")[2]
    lines = [line, *headers, "Connection: close", "Content-Length: 0", "", ""]
    return ask_raw(base_url, "\r\n".join(lines).replace("{port}", port).encode())


def is_refused(answer: Answer, line: str) -> bool:
    """Whether an answer says no, and lets no page read it."""
    names = [name.lower() for name, _ in answer.headers]
    if any(name.startswith("access-control-") for name in names):
        return False
    if not line.startswith("HEAD"):
        kind = json.loads(answer.body)["error"]["type"]
        return answer.status == 403 and kind == "permission_error"
    return answer.status == 403


@pytest.mark.case(66)
def test_a_foreign_host_gets_nothing_from_either_server(
    tmp_path: Path, trials: Trials
) -> None:
    assert len(HOSTS) >= 7
    found = []
    with both_servers(tmp_path) as (upstream, urls):
        for url in urls:
            for line in LINES:
                for name, host in HOSTS.items():
                    trials.ran += 1
                    if not is_refused(send(url, line, host), line):
                        found.append((line, name))

    trials.wrong = len(found)
    assert found == []
    assert upstream.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case(67)
def test_a_foreign_page_gets_nothing_from_either_server(
    tmp_path: Path, trials: Trials
) -> None:
    found = []
    with both_servers(tmp_path) as (upstream, urls):
        for url in urls:
            for line in LINES:
                for name, headers in PAGES.items():
                    trials.ran += 1
                    own = "Host: 127.0.0.1:{port}"
                    if not is_refused(send(url, line, own, *headers), line):
                        found.append((line, name))

    trials.wrong = len(found)
    assert found == []
    assert upstream.requests == []
    assert list(tmp_path.iterdir()) == []
