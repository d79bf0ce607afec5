"""
The numbered cases of reliability: what each is, and which can't be tested yet.

Tests name a case by its number, so a number keeps its meaning for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, Mapping[int, str]]] = {
    "Process and disk": {
        1: "The recorder is killed (kill -9) at a random point of a recording.",
        2: "SIGTERM in mid-stream: what the client saw is kept, and the end is prompt.",
        3: "SIGINT in mid-stream; a second one ends at once.",
        4: "A kill between the steps by which a recording gets its name.",
        5: "The disk is full, or a file may not grow further.",
        6: "The system writes less than it was given.",
        7: "An I/O error at every Nth operation on the disk.",
        8: "The folder can't be written to.",
        9: "The folder is removed during a recording.",
        10: "A full file system in memory, or one without inodes left.",
        11: "Two recorders work in one folder.",
        12: "Two processes choose the same name for a cassette.",
        13: "A file that a recorder left behind, or one of a recorder that runs.",
        14: "Power loss: what was not synced is gone, at and inside every frame.",
        15: "The wall clock steps, as in a change to daylight saving time.",
        16: "The machine sleeps within a stream.",
        17: "More connections than the process may open files.",
        18: "No file can be opened any more when a cassette is to be made.",
        87: "A run that gets less than an earlier one, or nothing, or is ended.",
    },
    "Cassette input": {
        19: "A cassette is cut at every byte.",
        20: "A bit of a cassette is flipped, each one in turn.",
        21: "A million mutated inputs to the reader.",
        22: "Zeros or junk after the end, bytes zeroed or taken out.",
        23: "Frames removed, doubled, swapped, or of another file.",
        24: "Lengths that lie: zero, huge, or beyond the end of the file.",
        25: "msgpack bombs, odd types, doubled keys, times that are none.",
        26: "An index that points outside, or at itself.",
        27: "A trailer without its END, an END without its trailer.",
        28: "Frames and versions of later releases.",
        29: "Line ends or encoding were converted as if the file were text.",
        30: "Conflict markers, LFS pointers, gzip, empty files.",
        31: "A hostile folder: links, fifos, devices, odd names.",
        32: "A cassette is cut, removed or replaced while it is replayed.",
        33: "Cassettes of every release can be read.",
        34: "`recover` never writes in place, and its output is whole.",
        35: "The same input gives the same bytes.",
        36: "A million events and 1 GiB in a stream, in bounded memory.",
        37: "Huge events, single bytes, every line end and odd spelling.",
    },
    "Upstream": {
        38: "The upstream closes in mid-stream.",
        39: "The upstream resets the connection.",
        40: "A chunk is cut off.",
        41: "A chunk has no valid size.",
        42: "A body that ends with the connection stops before its last word.",
        43: "The upstream falls silent.",
        44: "An error event comes within a stream.",
        45: "Error statuses, with `retry-after`, and no retries of our own.",
        46: "Nobody listens at the upstream.",
        47: "The upstream's name can't be found.",
        48: "TLS: expired, another host's, self-signed, or cut short.",
        49: "What comes is not HTTP.",
        50: "The connection closes before an answer.",
        51: "Redirects are passed on, not followed.",
        52: "Encoded answers, gzip that is cut short, bombs.",
        53: "1xx, 204, HEAD, huge and odd headers.",
        54: "Headers of one hop stay on it, both ways.",
        55: "The answer comes before the request was sent.",
    },
    "Client": {
        56: "The client leaves in mid-stream.",
        57: "The client reads slowly: 64 MiB, in bounded memory.",
        58: "300 clients that never finish their request.",
        59: "200 streams at once.",
        60: "2,000 idle connections, and one too many.",
        61: "Malformed and oversized requests of 26 kinds.",
        62: "A compressed request that is a bomb.",
        63: "A body over the limit.",
        64: "Other methods and endpoints that were not recorded.",
        65: "The client closes its side once it has asked.",
    },
    "Security": {
        66: "A foreign Host.",
        67: "Pages of other origins.",
        68: "Targets that would lead to another host.",
        69: "The upstream is the proxy itself.",
        70: "It listens on the loopback interface, or asks for a token.",
        71: "Keys in any encoding, in files, names and logs, at any moment.",
        72: "A key that is split over deltas.",
        73: "Keys in tool input, error messages, URLs and forms.",
        74: "Keys that begin alike, and secrets too short to look for.",
        75: "Redaction keeps number, order, times and JSON of events.",
        76: "Paths and headers that aim at other files.",
        77: "Names of cassettes that no file system should see.",
        78: "Terminal escapes in recorded text.",
        79: "Markup in recorded text, in a viewer.",
        80: "A project's own patterns that take exponential time.",
        81: "No pickle, YAML, eval or import by name.",
        82: "Everything is quoted in an export as a curl command.",
        83: "A request can't forge a line of the log.",
        84: "What was not recorded is a miss, which no SDK retries.",
        85: "Proxies, .netrc and cookies of the environment are not used.",
        86: "Eight workers of pytest-xdist in one folder.",
    },
}
"""The words of each case, in the groups of the page."""

UNTESTED: Final[Mapping[int, str]] = {
    79: "there is no viewer yet",
    82: "there is no export as a curl command yet",
}
"""Why a case has no test."""

NUMBERS: Final = frozenset(number for group in GROUPS.values() for number in group)
