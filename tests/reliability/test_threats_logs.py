"""What the program says: no secret, and no line that a request made up."""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

import streamtape
from e2e.listening import KEY
from e2e.processes import Program
from e2e.wire import ask_raw, connect, raw_request
from proofs import Trials
from reliability.spellings import count_leaks, spell
from streamtape.cli._log import configure_log, log_defects
from streamtape.core.redaction.secrets import Secrets
from streamtape.testing import (
    INSTANT,
    FakeUpstream,
    Framing,
    Reply,
    ReplyEnding,
    SeenRequest,
    raw_reply,
    stream_reply,
    text,
)

OWN: Final = "Opaque-7421-secret-of-nobodys-kind"
"""No known kind of key: it is one because a client uses it as one."""

FORGED: Final = "Error: forged"
REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


@pytest.fixture
def own_log() -> Iterator[None]:
    """Give the log back as it was."""
    ours = logging.getLogger("streamtape")
    handlers, level, propagates = [*ours.handlers], ours.level, ours.propagate
    yield
    ours.handlers[:] = handlers
    ours.setLevel(level)
    ours.propagate = propagates


def answer(seen: SeenRequest) -> Reply:
    """Answer in a way that the path asks for, with a key in it where that can be."""
    match seen.path:
        case "/v1/refused":
            told = {
                "type": "error",
                "error": {"type": "x", "message": f"no {KEY} {OWN}"},
            }
            return raw_reply(
                json.dumps(told).encode(), status=401, content_type="application/json"
            )
        case "/v1/cut":
            return raw_reply(f"data: {KEY}".encode(), ending=ReplyEnding.RESET)
        case "/v1/moved":
            return Reply(
                status=307,
                headers=(("Location", f"https://evil.example/?key={KEY}"),),
                framing=Framing.LENGTH,
            )
        case _:
            return REPLY


@contextmanager
def told_by(*arguments: str | Path) -> Iterator[tuple[Program, list[str]]]:
    """
    Run the program, at its most talkative; the list holds all that it said at its end.
    """
    said: list[str] = []
    with Program("-v", *arguments, "--port", "0") as program:
        yield program, said
        end = program.stop()
        said += [end.stderr, end.stdout]


def ask_with_keys(base_url: str) -> list[str]:
    """Send keys in every place; returns the answers."""
    answers = []
    body = json.dumps({"model": KEY, "messages": [{"role": "user", "content": KEY}]})
    sized = f"Content-Length: {len(body)}"
    keys = [
        f"x-api-key: {KEY}",
        f"Authorization: Bearer {OWN}",
        f"Cookie: session={OWN}",
        f"Proxy-Authorization: Basic {OWN}",
        sized,
    ]
    sent = [
        raw_request(base_url, f"POST {target} HTTP/1.1", *keys, *more, body=body)
        for target, more in [
            ("/v1/messages", []),
            (f"/v1/messages?api_key={KEY}&token={OWN}", []),
            (f"/v1/{KEY}/{quote(KEY)}", []),
            (f"/v1/{KEY.encode().hex()}/{OWN}", []),
            ("/v1/refused", []),
            ("/v1/cut", []),
            ("/v1/moved", []),
            (f"/messages?{KEY}", []),
            (f"/v1/v1/{KEY}", []),
            (f"/_streamtape/{KEY}", []),
            (f"/_streamtape/as/{KEY}/v1", []),
            (f"/~{KEY}/~x", []),
            (f"/v1/../{KEY}", []),
            (f"//{KEY}.example/", []),
            (f"http://{KEY}@evil.example/{OWN}", []),
            ("/v1/messages", [f"Origin: https://{KEY}.example"]),
            ("/v1/messages", [f"Host: {KEY}"]),
            ("/v1/messages", [f"x-streamtape-mode: {KEY}"]),
            ("/v1/messages", [f"x-streamtape-speed: {KEY}"]),
            ("/v1/messages", [f"Transfer-Encoding: {KEY}"]),
            ("/v1/messages", [f"Expect: {KEY}"]),
            ("/v1/messages", [f"Content-Encoding: {KEY}"]),
            ("/v1/messages", [f"Content-Type: {KEY}; boundary={OWN}"]),
            (f"/v1/{KEY}\0", []),
            (f"/v1/{'x' * 9000}{KEY}", []),
        ]
    ]
    sent += [
        f"{KEY}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{KEY} {OWN}\r\n\r\n".encode(),
    ]
    for each in sent:
        with connect(base_url) as client:
            client.sendall(each)
            received = b""
            try:
                while data := client.recv(1 << 16):
                    received += data
            except ConnectionResetError:
                pass
        answers.append(received.decode("latin-1"))
    return answers


@pytest.mark.case(71, 83)
def test_a_recorder_says_nothing_of_any_key(tmp_path: Path, trials: Trials) -> None:
    with (
        FakeUpstream(answer) as upstream,
        told_by("record", "--cassettes", tmp_path, "--upstream", upstream.url) as (
            program,
            said,
        ),
    ):
        answers = ask_with_keys(program.base_url)

    trials.leaked = sum(count_leaks(each, KEY, OWN) for each in said)
    trials.ran = len(answers)
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    trials.leaked += count_leaks("\n".join(names), KEY, OWN)
    assert trials.leaked == 0, said
    assert "Traceback" not in said[0]


@pytest.mark.case(71, 83)
def test_a_replay_says_nothing_of_any_key(tmp_path: Path, trials: Trials) -> None:
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recorder,
    ):
        url = recorder.base_url
        # Something for misses to be compared with.
        ask_raw(url, raw_request(url, "POST /v1/messages HTTP/1.1"))
    with told_by("replay", "--cassettes", tmp_path) as (program, said):
        answers = ask_with_keys(program.base_url)

    trials.ran = len(answers)
    # All of these are ours; what an upstream says is passed on as it is.
    trials.leaked = sum(count_leaks(each, KEY, OWN) for each in (*said, *answers))
    assert trials.leaked == 0, said
    assert "Traceback" not in said[0]


@pytest.mark.case(71)
def test_an_upstream_that_cant_be_used_is_told_of_without_keys(
    tmp_path: Path, trials: Trials
) -> None:
    with told_by(
        "record", "--cassettes", tmp_path, "--upstream", "http://127.0.0.1:9"
    ) as (program, said):
        answers = ask_with_keys(program.base_url)

    trials.ran = len(answers)
    trials.leaked = sum(count_leaks(each, KEY, OWN) for each in (*said, *answers))
    assert trials.leaked == 0, said
    assert "can't be used as upstream" in said[0]


def moves_or_hides(said: str) -> set[str]:
    """Return the characters that a terminal would not show."""
    return {
        char
        for char in said
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")
    }


EVIL: Final = (
    f"a\r\n{FORGED}\n{FORGED}\x1b[2K\x1b]52;c;YQ==\x07\x9b31m\x85{FORGED}"
    f"\u2028{FORGED}\u202e{FORGED}\u2066\u200b\x00\x08"
)


@pytest.mark.case(83)
@pytest.mark.parametrize("command", ["record", "replay"])
def test_no_request_makes_up_a_line(command: str, tmp_path: Path) -> None:
    """
    In what a body holds anything may be; in paths and headers what HTTP lets through.
    """
    spelled = quote(EVIL)
    raw = "".join(char for char in EVIL if char not in "\r\n\0 ")
    prompt = {"role": "user", "content": EVIL}
    bodies = [
        json.dumps({"model": "m", "messages": [prompt]}),
        json.dumps({"model": EVIL, "messages": [prompt], EVIL: {EVIL: [EVIL]}}),
        EVIL,
    ]
    with FakeUpstream(lambda _: REPLY) as upstream:
        with streamtape.record(tmp_path, upstream=upstream.url) as recorder:
            for body in bodies[:1]:
                ask_raw(recorder.base_url, post(recorder.base_url, body))
        to = ("--upstream", upstream.url) if command == "record" else ()
        with told_by(command, "--cassettes", tmp_path, *to) as (program, said):
            url = program.base_url
            for body in bodies:
                ask_raw(url, post(url, body))
            for sent in (
                raw_request(url, f"GET /v1/{spelled}?{spelled} HTTP/1.1"),
                raw_request(url, f"GET /~{spelled}/v1 HTTP/1.1"),
                raw_request(url, f"GET /_streamtape/{spelled} HTTP/1.1"),
                raw_request(url, f"GET /v1/{raw} HTTP/1.1"),
                raw_request(url, f"GET /v1/\u202e\u2066\x9b31m{FORGED} HTTP/1.1"),
                raw_request(url, f"GET /~\u202e\u2066{raw}/v1 HTTP/1.1"),
                raw_request(url, f"GET //{raw} HTTP/1.1"),
                raw_request(url, "GET / HTTP/1.1", f"Origin: {raw}"),
                raw_request(url, "GET / HTTP/1.1", f"Origin: \u202e{FORGED}\u2028x"),
                raw_request(
                    url, "GET / HTTP/1.1", f"x-streamtape-mode: \u202e\x9b{FORGED}"
                ),
                raw_request(
                    url, "GET / HTTP/1.1", f"x-streamtape-speed: \u202e{FORGED}"
                ),
                f"GET / HTTP/1.1\r\nHost: \u202e\x9b{FORGED}\r\n\r\n".encode(),
                f"GET / HTTP/1.1\r\nHost: {raw}\r\n\r\n".encode(),
            ):
                with connect(url) as client:
                    client.sendall(sent)
                    client.recv(1 << 16)

    for each in said:
        assert moves_or_hides(each) == set()
        assert not re.search(f"^{FORGED}", each, re.MULTILINE)
    assert said[0].count("\n") > len(bodies)


def post(base_url: str, body: str) -> bytes:
    size = f"Content-Length: {len(body.encode())}"
    return raw_request(base_url, "POST /v1/messages HTTP/1.1", size, body=body)


@pytest.mark.case(83)
@pytest.mark.parametrize("is_verbose", [True, False])
def test_a_traceback_holds_no_key_and_no_escape(
    own_log: None, is_verbose: bool, capsys: pytest.CaptureFixture[str], trials: Trials
) -> None:
    secrets = Secrets()
    secrets.add(OWN)
    configure_log(secrets, verbose=is_verbose, quiet=False)
    log = logging.getLogger("streamtape.some.module")
    try:
        raise ValueError(f"{KEY} and {OWN}: {EVIL}\ud800\udcff")
    except ValueError:
        log.exception("it failed: %s %s", OWN, EVIL)
    said = capsys.readouterr().err

    trials.leaked = count_leaks(said, KEY, OWN)
    assert trials.leaked == 0
    assert moves_or_hides(said) == set()
    assert ("Traceback" in said) is is_verbose
    assert all(line.startswith("  ") for line in said.splitlines()[1:])
    assert said.startswith("Error: it failed: ")


@pytest.mark.case(83)
def test_what_nobody_caught_holds_no_key_and_no_escape(
    own_log: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        # So that they are put back in the end.
        monkeypatch.setattr(place, name, getattr(place, name))
    configure_log(Secrets(), verbose=False, quiet=True)
    log_defects()

    def fail() -> None:
        raise ValueError(f"{KEY}: {EVIL}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    said = capsys.readouterr().err

    assert said.count("Critical: a defect of streamtape itself\n  Traceback") == 2
    assert count_leaks(said, KEY) == 0
    assert moves_or_hides(said) == set()


def test_loggers_of_others_are_silent() -> None:
    script = (
        "import logging, sys; from streamtape.cli._log import configure_log; "
        "from streamtape.core.redaction.secrets import Secrets; "
        "configure_log(Secrets(), verbose=True, quiet=False); "
        "[logging.getLogger(each).error('quotes a key') for each in sys.argv[1:]]"
    )
    names = ("aiohttp.client", "aiohttp.server", "other")
    ran = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, check=True
    )

    assert ran.stderr == b""


def test_every_spelling_is_looked_for() -> None:
    for before in ("", "x", "xy"):
        encoded = base64.b64encode(f"{before}{KEY}; and more".encode()).decode()
        assert any(each in encoded for each in spell(KEY))
