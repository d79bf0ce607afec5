"""The demo, as its user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "streamtape", "demo"]


@pytest.mark.slow
def test_the_demo_shows_that_every_replay_is_the_recording(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    environment = {
        **os.environ,
        # A proxy for other programs must not get between its client and itself.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "COLUMNS": "80",
    }
    ran = subprocess.run(
        [*DEMO, "--keep", folder],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert ran.returncode == 0
    assert ran.stderr == ""
    runs = re.findall(r"(recorded|\d+x|instant) .* ([0-9a-f]{8}) (\w+)", ran.stdout)
    assert [name for name, _, _ in runs] == ["recorded", "1x", "10x", "instant"] * 2
    assert {comparison for _, _, comparison in runs} == {"equal"}
    assert len({digest for _, digest, _ in runs}) == 2
    assert len([*folder.glob("*.tape")]) == 2


def test_without_the_sdk_the_demo_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "anthropic.py").write_text("raise ImportError")
    ran = subprocess.run(
        DEMO,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )

    assert ran.returncode == 2
    assert ran.stderr == (
        "Error: the demo needs the SDK: pip install 'streamtape-proxy[anthropic]'; "
        "with pipx: pipx inject streamtape-proxy anthropic\n"
    )
