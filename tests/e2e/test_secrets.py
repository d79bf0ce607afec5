"""
Keys that clients send, and upstreams send back: none is in a file, a name, or a log.

What goes over the wire stays as it is.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Final
from urllib.parse import quote

import pytest

from e2e.listening import body
from e2e.processes import (
    PATIENCE_S,
    Finished,
    start_recorder,
    start_replay,
    wait_until,
)
from e2e.runs import read_library
from e2e.wire import Answer, ask
from planting import KEYS, find_leaks_in, find_leaks_under
from proofs import Trials
from streamtape import open as read_cassette
from streamtape import record
from streamtape.core.model import Headers
from streamtape.errors import CassetteError
from streamtape.testing import (
    FakeUpstream,
    Framing,
    Reply,
    ReplyEnding,
    SeenRequest,
    Write,
    api_event,
    error_reply,
    message_stream,
    raw_reply,
    text,
)

ROOT: Final = Path(__file__).parents[2]

UNKNOWN: Final = "corp.7f3a-QQ/secret+value=1"
"""A key that can't be told by its looks."""

SENT: Final = {
    **{
        name: KEYS[name](Random(name)).text
        for name in ("anthropic", "openai", "openai-project", "github", "google")
    },
    "token": KEYS["token"](Random(1)).text,
    "unknown": UNKNOWN,
}

ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "raw": lambda key: key,
    "base64": lambda key: base64.b64encode(f"key={key};".encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "url": lambda key: quote(key, safe=""),
    "reversed": lambda key: key[::-1],
    "gzip": lambda key: key,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client asks for, and with which key."""

    kind: str
    encoding: str
    key: str

    @property
    def body(self) -> bytes:
        return body(f"{self.kind} {self.encoding}: my key is {self.key}.")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("content-type", "application/json"),
            ("x-api-key", self.key),
            ("x-encoding", self.encoding),
        )


EVERY: Final = [
    Asked(kind=kind, encoding=encoding, key=key)
    for kind, key in SENT.items()
    for encoding in ENCODINGS
]


def error(message: str) -> bytes:
    return api_event(
        {"type": "error", "error": {"type": "api_error", "message": message}}
    )


def events_of(encoding: str, key: str) -> list[bytes]:
    """A stream whose text, cut small, and whose events repeat the key."""
    said = ENCODINGS[encoding](key)
    pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
    deltas = [
        api_event(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
        )
        for piece in ["It is ", *pieces, ", and no other."]
    ]
    [start, begin, *_, stop, last, end] = message_stream(text("Hi"), pings=1)
    return [
        start,
        begin,
        *deltas,
        error(f"({said})"),
        stop,
        last,
        end,
    ]


def echo(ending: ReplyEnding) -> Callable[[SeenRequest], Reply]:
    """Answer with a stream that repeats the key, and ends so."""

    def answer(seen: SeenRequest) -> Reply:
        encoding, key = seen.header("x-encoding"), seen.header("x-api-key")
        assert encoding is not None
        assert key is not None
        events = events_of(encoding, key)
        if ending is ReplyEnding.STALL:
            events = events[:-4]
        headers: Headers = (("request-id", ENCODINGS[encoding](key)), ("x-echo", key))
        if encoding == "gzip":
            packed = gzip.compress(b"".join(events))
            writes = [Write(0, packed[:40]), Write(0, packed[40:])]
            headers += (("content-encoding", "gzip"),)
        else:
            writes = [Write(0, event) for event in events]
        return raw_reply(writes, headers=headers, ending=ending)

    return answer


def refuse(seen: SeenRequest) -> Reply:
    """Refuse with an error that repeats the key."""
    encoding, key = seen.header("x-encoding"), seen.header("x-api-key")
    assert encoding is not None
    assert key is not None
    said = ENCODINGS[encoding](key)
    reply = error_reply(401, "authentication_error", f"invalid x-api-key: {said}")
    if encoding != "gzip":
        return reply
    return Reply(
        status=401,
        headers=(*reply.headers, ("content-encoding", "gzip")),
        writes=(Write(0, gzip.compress(reply.body)),),
        framing=Framing.LENGTH,
    )


def count_leaks(folder: Path, said: Finished | None = None) -> dict[str, set[str]]:
    """Return what is left of each key in the files and in what a process said."""
    found = {kind: find_leaks_under(folder, key) for kind, key in SENT.items()}
    if said is not None:
        for kind, key in SENT.items():
            found[kind] |= find_leaks_in((said.stdout + said.stderr).encode(), key)
    return {kind: leaks for kind, leaks in found.items() if leaks}


@pytest.mark.case(71, 72)
def test_no_key_is_kept_of_whole_streams(tmp_path: Path, trials: Trials) -> None:
    """In a replay, a client with other keys of these kinds finds them all."""
    with (
        FakeUpstream(echo(ReplyEnding.COMPLETE)) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        answers = [ask_for(recorder.base_url, asked) for asked in EVERY]
        finished = recorder.stop()
    trials.ran = len(EVERY)

    for asked, answer in zip(EVERY, answers, strict=True):
        assert answer.body == b"".join(events_of(asked.encoding, asked.key))
        assert answer.header("x-echo") == asked.key
    leaks = count_leaks(tmp_path, finished)
    trials.leaked = len(leaks)
    assert leaks == {}
    assert len(read_library(tmp_path)) == len(EVERY)

    with start_replay(tmp_path) as replay:
        for asked in EVERY:
            other = "other7-" + UNKNOWN[::-1]
            if asked.kind != "unknown":
                other = KEYS[asked.kind](Random(99)).text
            again = Asked(kind=asked.kind, encoding=asked.encoding, key=other)
            answer = ask_for(replay.base_url, again)
            assert answer.header("x-streamtape") == "replayed"
            assert b"[redacted]" in answer.body
        finished = replay.stop()
    assert count_leaks(tmp_path, finished) == {}


@pytest.mark.case(71)
def test_no_key_is_kept_of_errors(tmp_path: Path, trials: Trials) -> None:
    with (
        FakeUpstream(refuse) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        answers = [ask_for(recorder.base_url, asked) for asked in EVERY]
        finished = recorder.stop()
    trials.ran = len(EVERY)

    for asked, answer in zip(EVERY, answers, strict=True):
        assert answer.status == 401
        said = json.loads(answer.body)["error"]["message"]
        assert said.endswith(ENCODINGS[asked.encoding](asked.key))
    leaks = count_leaks(tmp_path, finished)
    trials.leaked = len(leaks)
    assert leaks == {}
    assert len(read_library(tmp_path)) == len(EVERY)


@pytest.mark.case(71, 72)
@pytest.mark.parametrize(
    "cut",
    [ReplyEnding.STALL, pytest.param(ReplyEnding.CUT, marks=pytest.mark.slow)],
    ids=str,
)
def test_no_key_is_kept_in_mid_stream_nor_after_a_kill(
    tmp_path: Path, trials: Trials, cut: ReplyEnding
) -> None:
    """The streams stall, or are cut, after the last event with the key in it."""
    with (
        FakeUpstream(echo(cut)) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
        ExitStack() as clients,
    ):
        for asked in EVERY:
            connection = http.client.HTTPConnection(
                recorder.base_url.removeprefix("http://"), timeout=PATIENCE_S
            )
            clients.callback(connection.close)
            connection.request("POST", "/v1/messages", asked.body, dict(asked.headers))
            expected = b"".join(events_of(asked.encoding, asked.key))
            response = connection.getresponse()
            wanted = expected[: len(expected) // 2]
            assert response.read(len(wanted)) == wanted
        wait_until(lambda: count_begun(tmp_path) == len(EVERY), "all have begun")
        in_mid_stream = count_leaks(tmp_path)
        recorder.send(SIGKILL)
        killed = count_leaks(tmp_path, recorder.finish())
    trials.ran = len(EVERY)
    trials.leaked = len(in_mid_stream) + len(killed)
    assert in_mid_stream == {}
    assert killed == {}


def count_begun(folder: Path) -> int:
    """How many recordings have so many events that the key is among them."""
    count = 0
    for path in folder.iterdir():
        try:
            count += len(read_cassette(path).events) > 3
        except CassetteError:
            continue
    return count


def ask_for(base_url: str, asked: Asked) -> Answer:
    target = f"/v1/messages?api_key={quote(asked.key, safe='')}&page=1"
    return ask(base_url, target=target, headers=asked.headers, body=asked.body)


OUTCOME_HEADER: Final = "x-told"
"""A header that is no secret's, by which the upstream is told what to repeat."""


def basic(key: str) -> str:
    return base64.b64encode(f"user:{key}".encode()).decode()


HEADERS: Final[dict[str, Callable[[str], tuple[str, str]]]] = {
    "api-key": lambda key: ("x-api-key", key),
    "bearer": lambda key: ("Authorization", f"Bearer {key}"),
    "basic": lambda key: ("authorization", f"Basic {basic(key)}"),
    "cookie": lambda key: ("Cookie", f"theme=dark; session={key}"),
    "proxy": lambda key: ("Proxy-Authorization", f"Basic {basic(key)}"),
    "aws": lambda key: ("X-Amz-Security-Token", key),
    "google": lambda key: ("x-goog-api-key", key),
    "own": lambda key: ("X-Corp-Token", key),
}


def echo_everywhere(seen: SeenRequest) -> Reply:
    """Repeat the key in all that an answer has."""
    key = seen.header(OUTCOME_HEADER)
    assert key is not None
    return raw_reply(
        b"".join(
            [
                api_event({"type": "ping", "é": f"https://user:{key}@host/"}),
                error(f"no {key} here"),
            ]
        ),
        headers=(
            ("request-id", key),
            ("x-anything", key),
            ("set-cookie", f"session={key}"),
            ("location", f"/login?next={quote(key, safe='')}"),
            ("retry-after", key),
            ("anthropic-ratelimit-x", basic(key)),
        ),
    )


def bodies(key: str) -> Iterator[tuple[Headers, bytes]]:
    """Yield bodies that hold a key, each with its headers."""
    plain = body(f"https://user:{key}@host/ and {key}")
    escaped = "".join(f"\\u{ord(char):04x}" for char in key).encode()
    typed = ("content-type", "application/json")
    yield (typed,), plain
    yield (typed,), body("é").replace(b"\\u00e9", escaped)
    yield (typed, ("content-encoding", "gzip")), gzip.compress(plain)
    yield (("content-type", "text/plain"),), f"x\n{key}\n{basic(key)}".encode()
    parts = (
        "--b\r\nContent-Disposition: form-data; name=x; filename=x.txt\r\n\r\n"
        f"the key is {key}\r\n--b--\r\n"
    )
    yield (("content-type", "multipart/form-data; boundary=b"),), parts.encode()


@pytest.mark.case(71, 73)
def test_a_key_of_any_header_or_of_the_query_is_kept_nowhere(
    tmp_path: Path, trials: Trials
) -> None:
    """
    Also where the body of the same request, or of the answer, has it again: as it
    is, in parts, compressed, in the user part of a URL, in escapes.
    """
    keys = {name: f"{name}.{UNKNOWN}" for name in (*HEADERS, "query")}
    with (
        FakeUpstream(echo_everywhere) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        for name, key in keys.items():
            own = HEADERS[name](key) if name in HEADERS else ("x-b", "1")
            parameter = "q" if name in HEADERS else "key"
            for number, (headers, sent) in enumerate(bodies(key)):
                target = f"/v1/messages?page={number}&{parameter}={quote(key, safe='')}"
                answer = ask(
                    recorder.base_url,
                    target=target,
                    headers=(*headers, own, (OUTCOME_HEADER, key)),
                    body=sent,
                )
                trials.ran += 1
                assert answer.body.count(key.encode()) == 2
                assert answer.header("x-anything") == key
        finished = recorder.stop()

    said = (finished.stdout + finished.stderr).encode()
    for key in keys.values():
        found = find_leaks_under(tmp_path, key) | find_leaks_in(said, key)
        trials.leaked += len(found)
        assert found == set()
    assert len(read_library(tmp_path)) == trials.ran


@pytest.mark.case(71)
def test_a_request_that_is_refused_tells_no_key(tmp_path: Path) -> None:
    """aiohttp's own answer and log would."""
    key = SENT["anthropic"]
    secret = key.removeprefix("sk-ant-api03-")
    refused = [
        ("x-api-key", f"{key}\0"),
        ("x-api-key", key + "a" * 9000),
        (f"{key} ", "1"),
        ("host", key),
        ("content-length", key),
    ]
    with (
        FakeUpstream(refuse) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        answers = [
            ask(recorder.base_url, headers=(header,), body=body("hi"))
            for header in refused
        ]
        finished = recorder.stop()
        assert upstream.requests == []

    said = (finished.stdout + finished.stderr).encode()
    for answer in answers:
        assert 400 <= answer.status < 500
        assert find_leaks_in(answer.body, secret) == set()
    assert find_leaks_in(said, secret) == set()
    assert find_leaks_under(tmp_path, secret) == set()


SHAPES: Final = {
    "anthropic": rb"sk-ant-[a-z0-9]+-[\w-]{20,}",
    "openai": rb"\bsk-(?:proj-)?\w{32,}",
    "aws": rb"(?<![A-Z0-9])A(?:KIA|SIA|GPA|IDA|ROA)[A-Z0-9]{16}(?![A-Z0-9])",
    "github": rb"\bgh[a-z]_\w{30,}|github_pat_\w{20,}",
    "google": rb"\bAIza[\w-]{35}",
    "slack": rb"\bxox[a-z]-[\w-]{10,}",
    "token": rb"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{15,}",
    "private": rb"PRIVATE KEY-----\s*\w{20}",
    "bearer": rb"(?i)bearer\s+[\w.~+/-]*\d[\w.~+/-]{15,}",
    "assigned": rb"(?i)(?:api[_-]?key|secret|password)['\"]*\s*[=:]\s*['\"][\w+/-]{16}",
}


def test_two_servers_of_one_process_know_the_secrets_of_their_own_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is a key to one is a word like others to the other; both know our own."""
    own = "key-of-the-environment-1"
    monkeypatch.setenv("ANTHROPIC_API_KEY", own)
    said = f"the words are {UNKNOWN} and {own}"
    keys = {"one": UNKNOWN, "other": "another-key-4711"}
    events = events_of("raw", said)
    with (
        FakeUpstream([raw_reply([Write(0, event) for event in events])]) as upstream,
        record(tmp_path / "one", upstream=upstream.url) as one,
        record(tmp_path / "other", upstream=upstream.url) as other,
    ):
        for server, key in zip((one, other), keys.values(), strict=True):
            headers = (("x-api-key", key),)
            ask(server.base_url, headers=headers, body=body("hello"))

    texts = {name: read_library(tmp_path / name)[0].text for name in keys}

    assert UNKNOWN not in texts["one"]
    assert UNKNOWN in texts["other"]
    assert not any(own in told for told in texts.values())


@pytest.mark.case(71)
def test_no_shipped_cassette_holds_what_looks_like_a_key() -> None:
    """By patterns of its own, which the redaction has no part in."""
    paths = sorted((ROOT / "cassettes").rglob("*.tape"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        for name, pattern in SHAPES.items():
            assert not re.search(pattern, data), (path.name, name)


def test_the_patterns_for_shipped_cassettes_find_keys() -> None:
    for key in [
        *SENT.values(),
        f"Bearer {basic(UNKNOWN)}",
        f'"api_key": "{"Ab1" * 9}"',
    ]:
        found = any(re.search(each, key.encode()) for each in SHAPES.values())
        assert found or key == UNKNOWN
