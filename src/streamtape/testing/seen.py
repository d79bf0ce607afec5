"""
A request as the fake upstream got it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from streamtape.core.model import Request, find_header


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest(Request):
    """
    One request, byte for byte what came over the wire but for the body's framing.
    """

    @property
    def json(self) -> Any:
        """
        The body read as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """
        Return the first value of a header, or None.

        Args:
            name: In lower case.
        """
        return find_header(self.headers, name)
