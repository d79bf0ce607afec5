"""Where the clients are installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.kits import Kits


@pytest.fixture(scope="session")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Kits:
    """
    The clients' packages, kept in the folder ``STREAMTAPE_CLIENTS`` if that is set.
    """
    folder = os.environ.get("STREAMTAPE_CLIENTS")
    if folder:
        return Kits(Path(folder).resolve())
    return Kits(tmp_path_factory.mktemp("clients"))
