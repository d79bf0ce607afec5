"""What a large library costs: the start of a replay, one lookup, a change, memory."""

from __future__ import annotations

import gc
import hashlib
import http.client
import json
import os
import random
import re
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.measure import no_garbage_collection, percentile, scratch_folder
from bench.report import Report
from bench.systems import running
from streamtape.core.matching.key import request_key
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = {
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "control": "of control",
    "control_p99_ms": "control's p99 ms",
    "bytes": "bytes/cassette",
}

_SECRETS = Secrets()
"""As a server makes them once."""

_TAKES = 10
_HEADERS = (
    ("content-type", "application/json"),
    ("user-agent", "bench/1.0"),
    ("anthropic-version", "2000-01-01"),
)
_STREAM = (
    b'event: message_start\ndata: {"type":"message_start","message":{"content":[]}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
_POOL = " ".join(
    "".join(random.Random(number).choices("abcdefghijklmnop", k=3 + number % 7))
    for number in range(30_000)
)
_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    cassettes: int
    lookups: int
    rounds: int


def measure_lookup(*, quick: bool) -> Report:
    """
    Compare a library of one cassette with one of thousands, and both with a control.
    """
    sizes = _Sizes(cassettes=10_000, lookups=2_000, rounds=5)
    if quick:
        sizes = _Sizes(cassettes=2_000, lookups=500, rounds=3)
    rows: dict[str, Figures] = {}
    failures: list[str] = []
    with scratch_folder() as scratch:
        one, many, takes = scratch / "one", scratch / "many", scratch / "takes"
        _record(one, range(1))
        _record(many, range(sizes.cassettes))
        _record(takes, range(sizes.cassettes // _TAKES), takes=_TAKES)
        rows |= _measure_start(one, many, sizes, scratch)
        rows |= _measure_index(many, sizes)
        for name, folder, requests in (
            ("lookup", many, sizes.cassettes),
            (f"lookup, {_TAKES} takes", takes, sizes.cassettes // _TAKES),
        ):
            rows |= _measure_lookups(name, folder, requests, sizes, failures)
        rows |= _measure_changes(many, sizes, failures)
    rows["goal of a start"] = {"p50_ms": 3000.0, "bytes": 1024.0}
    rows["goal of a lookup"] = {"p99_ms": 1.0}
    return Report(
        title=f"Lookup, {sizes.cassettes:,} cassettes, requests of 50 KB",
        columns=COLUMNS,
        rows=rows,
        notes=[
            "Start: from the process's start to its first answered request, and its "
            "resident memory beyond that of one cassette.",
            "Lookups: from a request's bytes to the path of its cassette.",
        ],
        failures=failures,
    )


def _request(number: int) -> Request:
    """
    What an agent sends: instructions and tools that stay, a conversation that grew.
    """
    place = random.Random(number)

    def said(length: int) -> list[dict[str, str]]:
        start = place.randrange(len(_POOL) - length)
        return [{"type": "text", "text": _POOL[start : start + length]}]

    asked = [{"type": "text", "text": f"Question {number}: what is next?"}]
    body = {
        "model": "claude-demo",
        "max_tokens": 32_000,
        "stream": True,
        "system": [{"type": "text", "text": _POOL[:14_000]}],
        "tools": [
            {
                "name": f"tool_{tool}",
                "description": _POOL[900 * tool : 900 * (tool + 1)],
                "input_schema": {
                    "type": "object",
                    "properties": {
                        f"field_{field}": {"type": "string", "description": "A text."}
                        for field in range(5)
                    },
                },
            }
            for tool in range(14)
        ],
        "messages": [
            {"role": ("user", "assistant")[turn % 2], "content": said(800)}
            for turn in range(24)
        ]
        + [{"role": "user", "content": asked}],
    }
    return Request(
        method="POST",
        target="/v1/messages",
        headers=_HEADERS,
        body=json.dumps(body).encode(),
    )


def _record(folder: Path, numbers: range, *, takes: int = 1) -> None:
    """
    Write the cassettes that a recorder would have written, without waiting for disks.
    """
    folder.mkdir()
    head = Response(
        status=200,
        reason="OK",
        headers=(("content-type", "text/event-stream"),),
        offset_ns=1,
    )
    for number in numbers:
        clean = clean_request(_request(number), _SECRETS)
        key = request_key(clean)
        recording = Recording(clean, recorded_at=None, match_key=key, secrets=_SECRETS)
        packed = recording.begin(head) + recording.feed(_STREAM, 2)
        packed += recording.end(EndReason.COMPLETE, 3)
        stem = f"question-{number}-{key[:8]}"
        for take in range(1, takes + 1):
            suffix = "" if take == 1 else f"-{take}"
            (folder / f"{stem}{suffix}.tape").write_bytes(packed)


def _measure_start(
    one: Path, many: Path, sizes: _Sizes, scratch: Path
) -> dict[str, Figures]:
    started: dict[Path, list[float]] = {one: [], many: []}
    resident: dict[Path, list[float]] = {one: [], many: []}
    walked = []
    for _ in range(sizes.rounds):
        for folder in (one, many):
            start = time.perf_counter_ns()
            arguments = ("streamtape", "replay", "--port", "0", "--cassettes")
            with running("replay", [*arguments, str(folder)], folder=scratch) as system:
                _ask(system.port)
                started[folder].append((time.perf_counter_ns() - start) / 1e6)
                resident[folder].append(_resident_bytes(system.pid))
        walked.append(_ms(lambda: _walk(many)))
    grown = median(resident[many]) - median(resident[one])
    beyond = median(started[many]) - median(started[one])
    return {
        "control: walk and stat": {"p50_ms": median(walked)},
        "start, 1 cassette": {"p50_ms": median(started[one])},
        f"start, {sizes.cassettes:,} cassettes": {
            "p50_ms": median(started[many]),
            "bytes": grown / sizes.cassettes,
        },
        "start, beyond 1 cassette": {
            "p50_ms": beyond,
            "control": beyond / median(walked),
        },
    }


def _measure_index(folder: Path, sizes: _Sizes) -> dict[str, Figures]:
    walked = _ms(lambda: _walk(folder))
    gc.collect()
    tracemalloc.start()
    library = _opened(folder)
    gc.collect()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del library
    read = [_ms(lambda: _opened(folder)) for _ in range(sizes.rounds)]
    computed = _ms(lambda: Library(folder, uses_stored_keys=False).refresh())
    return {
        "index, keys read": {
            "p50_ms": median(read),
            "control": median(read) / walked,
            "bytes": allocated / sizes.cassettes,
        },
        "index, keys computed": {"p50_ms": computed, "control": computed / walked},
    }


def _measure_lookups(
    name: str, folder: Path, requests: int, sizes: _Sizes, failures: list[str]
) -> dict[str, Figures]:
    """Look up requests in random order, each beside the control; then again."""
    library = _opened(folder)
    order = random.Random(7).sample(range(requests), min(sizes.lookups, requests))
    rows: dict[str, Figures] = {}
    for again in ("", ", again"):
        looked, controlled = [], []
        with no_garbage_collection():
            for number in order:
                request = _request(number)
                start = time.perf_counter_ns()
                _control(request.body)
                controlled.append((time.perf_counter_ns() - start) / 1e6)
                start = time.perf_counter_ns()
                path = _look_up(library, request)
                looked.append((time.perf_counter_ns() - start) / 1e6)
                if path is None or not path.name.startswith(f"question-{number}-"):
                    failures.append(f"{name}: request {number} found {path}")
        rows[name + again] = {
            "p50_ms": median(looked),
            "p99_ms": percentile(looked, 99),
            "control": median(looked) / median(controlled),
            "control_p99_ms": percentile(controlled, 99),
        }
    return rows


def _measure_changes(
    folder: Path, sizes: _Sizes, failures: list[str]
) -> dict[str, Figures]:
    """
    Time a look at the whole library, with nothing new in it and with one new file.
    """
    library = _opened(folder)
    walked, same, added = [], [], []
    for number in range(sizes.cassettes, sizes.cassettes + 5 * sizes.rounds):
        walked.append(_ms(lambda: _walk(folder)))
        same.append(_ms(library.refresh))
        elsewhere = folder.parent / f"new-{number}"
        _record(elsewhere, range(number, number + 1))
        for path in elsewhere.iterdir():
            path.rename(folder / path.name)
        added.append(_ms(library.refresh))
        if _look_up(library, _request(number)) is None:
            failures.append(f"added request {number} was not found")
    return {
        name: {"p50_ms": median(took), "control": median(took) / median(walked)}
        for name, took in (("a look, nothing new", same), ("a look, one new", added))
    }


def _opened(folder: Path) -> Library:
    library = Library(folder, wall_ns=time.time_ns)
    library.refresh()
    return library


def _look_up(library: Library, request: Request) -> Path | None:
    """
    Do what the server does, but for the thread in which it looks at the folder.
    """
    key = request_key(clean_request(request, _SECRETS))
    paths = library.known_takes(key) or library.takes(key)
    return paths[0] if paths else None


def _control(body: bytes) -> str:
    sorted_body = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(sorted_body.encode()).hexdigest()


def _walk(folder: Path) -> int:
    return sum(
        os.lstat(f"{parent}/{name}").st_size
        for parent, _, names in os.walk(folder)
        for name in names
    )


def _ask(port: int) -> None:
    request = _request(0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", request.target, request.body, dict(request.headers))
    answer = connection.getresponse()
    if answer.status != 200 or answer.read() != _STREAM:
        raise RuntimeError(f"the first request was answered with {answer.status}")
    connection.close()


def _resident_bytes(pid: int | None) -> float:
    found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return float(found[1]) * 1024


def _ms(work: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - start) / 1e6
