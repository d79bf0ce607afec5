"""What several test files share."""

from __future__ import annotations

from collections.abc import Iterator


def every_split(data: bytes) -> Iterator[list[bytes]]:
    """
    Give the ways in which a stream may come: whole, byte by byte, cut in two.

    Each joined is *data* again. The cut in two is made at every place.
    """
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for cut in range(1, len(data)):
        yield [data[:cut], data[cut:]]
