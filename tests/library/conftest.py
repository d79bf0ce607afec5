from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def tape(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write the bytes of a cassette and return its path."""
    path = tmp_path / "a.tape"

    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    return write
