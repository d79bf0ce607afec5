"""The shipped cassettes are what the script makes, and can all be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import streamtape

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = sorted((ROOT / "cassettes").glob("*.tape"))


def test_the_script_makes_every_file_byte_for_byte(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_cassettes.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in SHIPPED}


def test_every_shipped_cassette_can_be_read() -> None:
    assert SHIPPED
    for path in SHIPPED:
        cassette = streamtape.open(path)

        assert cassette.response is not None
        assert cassette.body
