"""
Record streaming Messages responses with their timing, and replay them at any speed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from streamtape.errors import StreamtapeError
from streamtape.version import __version__

if TYPE_CHECKING:
    from streamtape.core.cassette import Cassette
    from streamtape.core.messages.timing import Timing
    from streamtape.library.reader import read_cassette as open
    from streamtape.server.api import record, replay

__all__ = [
    "Cassette",
    "StreamtapeError",
    "Timing",
    "__version__",
    "open",
    "record",
    "replay",
]

_PLACES = {
    "Cassette": ("streamtape.core.cassette", "Cassette"),
    "Timing": ("streamtape.core.messages.timing", "Timing"),
    "open": ("streamtape.library.reader", "read_cassette"),
    "record": ("streamtape.server.api", "record"),
    "replay": ("streamtape.server.api", "replay"),
}


def __getattr__(name: str) -> object:
    # Loaded when they are asked for: pytest loads the plugin, and with it this, in
    # every run of every project that has streamtape installed.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
