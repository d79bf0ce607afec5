"""The TypeScript SDK in node: straight, through a recording, and from a replay."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from e2e.processes import PATIENCE_S, plain_environment
from e2e.runs import run_thrice

SDK: Final = "@anthropic-ai/sdk"
PACKAGE: Final = Path(__file__).with_name("node")
"""The program, and the locked versions of what it needs."""

Use: TypeAlias = Callable[[str, str, str], Any]

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(
        shutil.which("node") is None or shutil.which("npm") is None,
        reason="node and npm are not installed",
    ),
]


@pytest.fixture(scope="session")
def use_sdk(pytestconfig: pytest.Config) -> Use:
    """
    A function of a way, a base URL and a prompt: what the SDK made of it.

    The SDK is installed once and kept in pytest's cache.
    """
    assert pytestconfig.cache is not None
    lock = (PACKAGE / "package-lock.json").read_bytes()
    folder = pytestconfig.cache.mkdir(
        f"node-sdk-{hashlib.sha256(lock).hexdigest()[:8]}"
    )
    # An import is looked up from where the program lies.
    shutil.copytree(PACKAGE, folder, dirs_exist_ok=True)
    if not (folder / "node_modules" / SDK / "package.json").exists():
        install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=folder, check=True)
    program = folder / "use_sdk.mjs"

    def use(way: str, base_url: str, prompt: str) -> Any:
        end = subprocess.run(
            ["node", program, way, base_url, prompt],
            stdout=subprocess.PIPE,
            env=plain_environment(),
            timeout=PATIENCE_S,
            check=True,
        )
        return json.loads(end.stdout)

    return use


@pytest.mark.parametrize(
    ("way", "prompt"),
    [
        pytest.param("stream", "hello", id="stream"),
        pytest.param("stream", "[thinking] hello", id="stream-thinking"),
        pytest.param("stream", "[tool] hello", id="stream-tool"),
        pytest.param("stream", "[server-tool] hello", id="stream-server-tool"),
        pytest.param("stream", "[citations] hello", id="stream-citations"),
        pytest.param("create", "hello", id="events"),
        pytest.param("create", "[unknown] hello", id="events-nobody-knows"),
        pytest.param("create", "[error-midway] hello", id="error-midway"),
        pytest.param("create", "[cut] hello", id="cut"),
        pytest.param("create", "[overloaded] hello", id="overloaded"),
        pytest.param("whole", "hello", id="whole"),
        pytest.param("tools", "[tool-loop] hello", id="tool-loop"),
    ],
)
def test_the_sdk_sees_no_difference(
    way: str, prompt: str, use_sdk: Use, tmp_path: Path
) -> None:
    runs = run_thrice(lambda base_url: use_sdk(way, base_url, prompt), None, tmp_path)

    assert runs.straight
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight


def test_a_replay_gives_the_recorded_bytes(use_sdk: Use, tmp_path: Path) -> None:
    runs = run_thrice(lambda base_url: use_sdk("bytes", base_url, "hi"), None, tmp_path)

    [cassette] = runs.cassettes
    assert base64.b64decode(runs.replayed) == cassette.body


def test_a_tool_loop_is_three_recordings(use_sdk: Use, tmp_path: Path) -> None:
    prompt = "[tool-loop] hello"
    runs = run_thrice(
        lambda base_url: use_sdk("tools", base_url, prompt), None, tmp_path
    )

    assert len(runs.replayed) == 6
    assert len(runs.cassettes) == 3
    assert runs.counts == {"replayed": 3}
