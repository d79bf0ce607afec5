"""
A generated suite of tests that each ask once, and what its tests import.

It imports little: what it loads the first test of a suite would not pay for any more.
"""

from __future__ import annotations

import http.client
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.streams import Stream, stream_events

if TYPE_CHECKING:
    from pathlib import Path

TIMES = "BENCH_TIMES"
"""Variable that names the file for the time of each test, in ns."""

_EVENTS = 20
_TESTS_PER_FILE = 100
_CONFTEST = f'''
import json
import os
import time
from pathlib import Path

import pytest

times_ns = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    start_ns = time.perf_counter_ns()
    result = yield
    times_ns.append(time.perf_counter_ns() - start_ns)
    return result


def pytest_sessionfinish():
    Path(os.environ["{TIMES}"]).write_text(json.dumps(times_ns))
'''


def write_suite(folder: Path, *, tests: int, mark: str | None, ini: str = "") -> None:
    """
    Write a suite of test files whose tests ask one question each.

    Args:
        mark: The marker of all tests, without its arguments; None for none.
        ini: Further lines of its ``pytest.ini``.
    """
    folder.mkdir()
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (folder / "conftest.py").write_text(_CONFTEST)
    marked = "" if mark is None else f"@pytest.mark.{mark}\n"
    for first in range(0, tests, _TESTS_PER_FILE):
        lines = ["import pytest", "from bench.suite import ask"]
        lines += [
            f"\n\n{marked}def test_{number:04}():\n    ask({number})"
            for number in range(first, min(tests, first + _TESTS_PER_FILE))
        ]
        name = f"test_part_{first // _TESTS_PER_FILE}.py"
        (folder / name).write_text("\n".join(lines) + "\n")


def is_stream(number: int) -> bool:
    """Whether a test asks for a stream: every second one does."""
    return number % 2 == 0


def body_for(number: int) -> bytes:
    """Return the body that answers the question of one test."""
    if is_stream(number):
        return b"".join(stream_events(Stream(number=number, events=_EVENTS)))
    message = {
        "id": f"msg_bench{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-demo",
        "content": [{"type": "text", "text": f"Answer {number}. " * 20}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 80},
    }
    return json.dumps(message).encode()


def ask(number: int) -> None:
    """Ask the question of one test as cheaply as can be, and check the answer."""
    prompt = f"Stream {number}: {_EVENTS} events in 0 ms"
    body = {
        "model": "claude-demo",
        "max_tokens": 1024,
        "stream": is_stream(number),
        "messages": [{"role": "user", "content": prompt}],
    }
    url = urlsplit(os.environ["ANTHROPIC_BASE_URL"])
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    headers = {"content-type": "application/json", "anthropic-version": "2000-01-01"}
    target = f"{url.path}/v1/messages"
    connection.request("POST", target, json.dumps(body).encode(), headers)
    answer = connection.getresponse()
    assert answer.read() == body_for(number)
    connection.close()
