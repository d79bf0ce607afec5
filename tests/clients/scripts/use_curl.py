"""curl, and the ways in which it sends a body."""

from __future__ import annotations

import functools
import json
import os
import subprocess

from telling import MODEL, tell

WAYS = {
    "chunked": ["-H", "Transfer-Encoding: chunked"],
    "expect": ["-H", "Expect: 100-continue"],
    "http1.0": ["--http1.0"],
}


def ask(way: str, prompt: str) -> object:
    asked = {
        "model": MODEL,
        "max_tokens": 256,
        "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }
    end = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail-with-body"),
            *("-H", "content-type: application/json", "-H", "x-api-key: unused"),
            *("--data-binary", "@-", *WAYS[way]),
            os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
        ],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if end.returncode:
        raise RuntimeError(end.stdout + end.stderr)
    return end.stdout


if __name__ == "__main__":
    tell({way: functools.partial(ask, way) for way in WAYS})
