"""
Record streaming Messages responses with their timing, and replay them at any speed.
"""

from streamtape.core.cassette import Cassette
from streamtape.core.timing import Timing
from streamtape.errors import StreamtapeError
from streamtape.library.reader import read_cassette as open
from streamtape.server.api import record, replay
from streamtape.version import __version__

__all__ = [
    "Cassette",
    "StreamtapeError",
    "Timing",
    "__version__",
    "open",
    "record",
    "replay",
]
