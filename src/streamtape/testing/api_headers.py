"""
The headers that the API puts on every answer.
"""

from __future__ import annotations

import hashlib
from typing import Final

from streamtape.core.model import Headers
from streamtape.testing.seeds import make_id

ORGANIZATION_ID: Final = "3fd1a2c4-5b6e-4f70-8a91-b2c3d4e5f607"
"""What every answer says in ``anthropic-organization-id``; nobody's."""

_DATE: Final = "Thu, 01 Jan 2026 00:00:00 GMT"
_RESET: Final = "2026-01-01T00:01:00Z"


def make_request_id(content: bytes) -> str:
    """
    Return the id of a request, told by the content of its answer.
    """
    return make_id("req_011C", hashlib.sha256(content).hexdigest())


def api_headers(request_id: str) -> Headers:
    """
    Return what the API puts on every answer.
    """
    limits = (("requests", 50), ("input-tokens", 40_000), ("output-tokens", 8_000))
    return (
        ("date", _DATE),
        ("request-id", request_id),
        ("anthropic-organization-id", ORGANIZATION_ID),
        *(
            (f"anthropic-ratelimit-{name}-{key}", value)
            for name, limit in limits
            for key, value in (
                ("limit", str(limit)),
                ("remaining", str(limit - 1)),
                ("reset", _RESET),
            )
        ),
        ("server", "cloudflare"),
        ("via", "1.1 google"),
    )
