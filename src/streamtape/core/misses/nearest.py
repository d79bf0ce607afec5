"""
Which recorded request is most like one that nothing answers.

As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamtape.core.misses.sketches import likeness, likeness_around

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.misses.candidates import C
    from streamtape.core.misses.recorded import Recorded
    from streamtape.core.misses.sketches import Sketch


def find_nearest(
    asked: Sketch, candidates: Iterable[C], recorded: Recorded[C]
) -> C | None:
    """
    Return the candidate most like a request, of equals the first by name.

    Returns:
        None if there are none, or none that can be read and that the rules can be
        applied to.
    """
    best: tuple[C, Sketch] | None = None
    most: tuple[int, ...] = ()
    for candidate in candidates:
        sketch = recorded.find_sketch(candidate)
        if sketch is None:
            continue
        alike = likeness(asked, sketch)
        if best is not None and alike == most:
            ours, theirs = (likeness_around(asked, each) for each in (sketch, best[1]))
            is_better = (ours, best[0].name) > (theirs, candidate.name)
        else:
            is_better = best is None or alike > most
        if is_better:
            best, most = (candidate, sketch), alike
    return None if best is None else best[0]
