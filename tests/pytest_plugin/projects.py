"""A project whose tests have the plugin, and an API to record from."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path
from typing import Final

import jsonpath_rfc9535
import pytest

# Loaded here once: a run within this process forgets what it imported, and modules
# in C don't take well to being loaded again and again.
import streamtape.pytest_plugin.run
from streamtape.testing import (
    INSTANT,
    TYPICAL,
    FakeUpstream,
    Reply,
    SeenRequest,
    stream_reply,
    text,
)

assert streamtape.pytest_plugin.run is not None
assert jsonpath_rfc9535 is not None

_WIRE: Final = '''
import http.client
import json
import os
import time
from urllib.parse import urlsplit


def wait_for_a_signal():
    """
    Wait, but not in one call: a signal just before that would not be seen.
    """
    for _ in range(6000):
        time.sleep(0.01)


def ask(prompt, base_url=None, max_tokens=9):
    """
    Ask in the way of the Messages API; return the status and the whole body.
    """
    url = urlsplit(base_url or os.environ["ANTHROPIC_BASE_URL"])
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    message = {"role": "user", "content": prompt}
    body = {"model": "m", "max_tokens": max_tokens, "messages": [message]}
    body["stream"] = True
    headers = {"content-type": "application/json", "x-api-key": "a-secret-key"}
    path = url.path + "/v1/messages"
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
'''

HELLO: Final = """
import pytest
from wire import ask

@pytest.mark.streamtape
def test_hello():
    assert "Re: hello" in ask("hello")[1]
"""
"""A module with one test, which asks one thing."""

_OTHERS: Final = (
    *("aiohttp", "anyio", "asyncio", "hypothesispytest"),
    *("cacheprovider", "randomly", "rerunfailures", "socket"),
    *("xdist", "xdist.looponfail"),
)
"""Plugins that only runs have which are about them."""


def answer(seen: SeenRequest) -> Reply:
    """Answer a prompt with ``Re: PROMPT``, at once unless it begins with ``slowly``."""
    prompt = seen.json["messages"][0]["content"]
    profile = TYPICAL if prompt.startswith("slowly") else INSTANT
    return stream_reply(text(f"Re: {prompt}"), profile=profile)


def besides(*needed: str) -> list[str]:
    """
    Return arguments that leave out all plugins beside ours but those that are needed.
    """
    return [
        each for name in _OTHERS if name not in needed for each in ("-p", f"no:{name}")
    ]


class Project:
    """A folder with tests, whose ``ANTHROPIC_BASE_URL`` is the fake API."""

    def __init__(
        self,
        pytester: pytest.Pytester,
        monkeypatch: pytest.MonkeyPatch,
        upstream: FakeUpstream,
    ) -> None:
        self.pytester = pytester
        self.upstream = upstream
        self.setenv = monkeypatch.setenv
        self.path: Path = pytester.path
        for name in list(os.environ):
            if name.startswith(("STREAMTAPE_", "ANTHROPIC_", "PYTEST_")) or name in (
                "CI",
                "NO_PROXY",
                "no_proxy",
            ):
                monkeypatch.delenv(name)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", upstream.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "a-real-key")
        places = (str(self.path), os.environ.get("PYTHONPATH", ""))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
        self.write(wire=_WIRE)

    def write(self, **modules: str) -> None:
        """Write Python modules by their names."""
        # Python takes a file of the same length in the same second for the same file.
        shutil.rmtree(self.path / "__pycache__", ignore_errors=True)
        for name, source in modules.items():
            (self.path / f"{name}.py").write_text(
                textwrap.dedent(source), encoding="utf-8"
            )

    def ini(self, text: str) -> None:
        """Write ``[pytest]`` of pytest.ini."""
        lines = f"[pytest]\n{textwrap.dedent(text)}\n"
        (self.path / "pytest.ini").write_text(lines, encoding="utf-8")

    def run(self, *args: str, needs: tuple[str, ...] = ()) -> pytest.RunResult:
        """
        Run pytest in this process.

        Args:
            needs: Other plugins, by the names of their entry points.
        """
        return self.pytester.runpytest_inprocess(*besides(*needs), *args)

    def run_apart(self, *args: str, needs: tuple[str, ...] = ()) -> pytest.RunResult:
        """
        Run pytest in a process of its own.

        Args:
            needs: Other plugins, by the names of their entry points.
        """
        return self.pytester.runpytest_subprocess(*besides(*needs), *args, timeout=120)

    def record(self, *args: str) -> None:
        """Record what the tests ask, and forget what the API saw."""
        result = self.run("--streamtape-record", *args)
        assert result.ret == 0, result.outlines
        self.upstream.requests.clear()

    def folders(self, root: str = "cassettes") -> list[str]:
        """List the folders that hold cassettes."""
        top = self.path / root
        return sorted(
            {str(tape.parent.relative_to(top)) for tape in top.rglob("*.tape")}
        )

    def tapes(self, root: str = "cassettes") -> dict[str, bytes]:
        """Return all files below a folder by their paths, hidden ones included."""
        top = self.path / root
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    def leftovers(self) -> list[str]:
        """List what a recorder may have left behind."""
        return sorted(
            str(path.relative_to(self.path))
            for path in self.path.rglob("*")
            if path.name.endswith((".part", ".recording", ".old"))
        )
