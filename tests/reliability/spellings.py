"""A secret in each encoding in which it would be as good as plain."""

from __future__ import annotations

import base64
from urllib.parse import quote


def spell(secret: str) -> list[str]:
    """
    Return the spellings of a secret, and what they have in common wherever in a longer
    text it is encoded.
    """
    raw = secret.encode()
    spelled = [
        secret,
        secret[::-1],
        quote(secret, safe=""),
        raw.hex(),
        raw.hex().upper(),
        repr(raw)[2:-1],
    ]
    for before in range(3):
        # But for the characters at its edges, which hold bits of its neighbours.
        encoded = base64.b64encode(bytes(before) + raw).decode()[4:-4]
        spelled += [encoded, encoded.replace("+", "-").replace("/", "_")]
    return list(dict.fromkeys(spelled))


def count_leaks(text: str, *secrets: str) -> int:
    """Count the spellings of some secrets that are in a text."""
    return sum(each in text for secret in secrets for each in spell(secret))
