"""docs/clients.md names every client that is run."""

from __future__ import annotations

import re
from pathlib import Path

from clients.table import CLIENTS

_PAGE = Path(__file__).parents[1] / "docs" / "clients.md"


def test_every_client_that_is_run_is_in_the_docs() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    # A client that is run in an older version as well is named once.
    names = {re.sub(r"-\d[\d.]*$", "", client.name) for client in CLIENTS}
    first_cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)

    assert names == {
        name for cell in first_cells for name in re.findall(r"^`([^`]+)`", cell)
    }
