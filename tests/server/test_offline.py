"""A replay needs no network, and uses none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

SCRIPT: Final = """
import json
import sys
import threading
import urllib.error
import urllib.request

import streamtape

attempts = []

def watch(event, arguments):
    # The client of this script runs in the main thread, the server in its own.
    is_ours = threading.current_thread() is threading.main_thread()
    if event in ("socket.connect", "socket.getaddrinfo") and not is_ours:
        attempts.append(event)

sys.addaudithook(watch)
with streamtape.replay("cassettes", speed="instant") as server:
    for path in ("/v1/models", "/v1/nothing-recorded"):
        try:
            urllib.request.urlopen(server.base_url + path).close()
        except urllib.error.HTTPError as error:
            with error:
                told = json.load(error)["error"]["type"]
            print(error.code, error.headers["x-should-retry"], told)
        else:
            print("ok")
print(attempts)
"""


@pytest.mark.case(84)
def test_a_replay_neither_connects_nor_resolves_a_name() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines() == [
        "ok",
        "424 false invalid_request_error",
        "[]",
    ]
