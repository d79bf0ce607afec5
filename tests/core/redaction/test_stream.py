"""Bodies without their keys: nothing of a key comes out, all else as it went in."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from planting import KEYS, Planted, in_pieces
from proofs import Trials
from streamtape.core.model import Headers, Response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.stream import (
    BodyRedactor,
    EventsRedactor,
    body_redactor,
)
from streamtape.core.redaction.text import REDACTED, Cleaned, clean_json
from streamtape.core.sse import parse_event
from streamtape.testing import PING, api_event

ROOT: Final = Path(__file__).parents[3]

SHOWN: Final = 5
"""Of a key that this process has seen, fewer characters may come out."""
SHOWN_OF_CUT: Final = 8
"""The same, where a text was cut off within a key."""

KEY: Final = "sk-ant-api03-" + "Qw7eRt9yUi" * 9 + "AA"
SECRET: Final = KEY.removeprefix("sk-ant-api03-")
UNKNOWN: Final = "corp.7f3a-QQ/secret+value=1"
"""A key that can't be told by its looks."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an API sends a piece of a text, and how to read it."""

    event: Callable[[str], bytes]
    read: Callable[[Any], str]


def block_delta(kind: str, field: str, index: int = 0) -> Shape:
    def event(text: str) -> bytes:
        delta = {"type": kind, field: text}
        return api_event(
            {"type": "content_block_delta", "index": index, "delta": delta}
        )

    return Shape(event, lambda data: str(data["delta"][field]))


def data_event(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


TEXT: Final = block_delta("text_delta", "text")
SHAPES: Final = {
    "text": TEXT,
    "thinking": block_delta("thinking_delta", "thinking"),
    "tool-input": block_delta("input_json_delta", "partial_json"),
    "responses": Shape(
        lambda text: data_event(
            {"type": "response.output_text.delta", "output_index": 0, "delta": text}
        ),
        lambda data: str(data["delta"]),
    ),
    "chat": Shape(
        lambda text: data_event(
            {"choices": [{"index": 0, "delta": {"content": text}}]}
        ),
        lambda data: str(data["choices"][0]["delta"]["content"]),
    ),
    "chat-tool": Shape(
        lambda text: data_event(
            {
                "choices": [
                    {
                        "delta": {
                            "tool_calls": [
                                {"index": 0, "function": {"arguments": text}}
                            ]
                        }
                    }
                ]
            }
        ),
        lambda data: str(
            data["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
        ),
    ),
    "chat-second": Shape(
        lambda text: data_event(
            {"choices": [{"delta": {"content": "x"}}, {"delta": {"content": text}}]}
        ),
        lambda data: str(data["choices"][1]["delta"]["content"]),
    ),
    "chat-reasoning": Shape(
        lambda text: data_event(
            {"id": "c-1", "choices": [{"delta": {"reasoning_content": text}}]}
        ),
        lambda data: str(data["choices"][0]["delta"]["reasoning_content"]),
    ),
    "unknown-delta": block_delta("later_delta", "later"),
    "unknown": Shape(
        lambda text: data_event({"id": 7, "out": [{"token": {"text": text}}]}),
        lambda data: str(data["out"][0]["token"]["text"]),
    ),
    "gemini": Shape(
        lambda text: data_event(
            {"candidates": [{"content": {"parts": [{"text": text}]}}]}
        ),
        lambda data: str(data["candidates"][0]["content"]["parts"][0]["text"]),
    ),
}

BETWEEN: Final = (" and ", 'é"\\ ', "\n", " 😀 ", ", ", "\t'", "=(")


@pytest.mark.case(72)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nothing_of_a_key_in_pieces_comes_out(shape: Shape, trials: Trials) -> None:
    """
    Whatever the key, and wherever the text is cut. All prefixes of what came out are
    as clean, so a process that is killed leaves no more.
    """
    dice = Random(7)
    for _ in range(trials.many(quick=6, long=60)):
        secrets = Secrets()
        keys = plant(dice, secrets)
        text = "Hello" + "".join(dice.choice(BETWEEN) + key.text for key in keys)
        text += dice.choice(["", " bye", "\n", '"}'])
        events = [shape.event(piece) for piece in in_pieces(text, dice)]

        out = redact(EventsRedactor(secrets), events)

        joined = "".join(shape.read(data_of(raw)) for raw in out)
        trials.ran += 1
        trials.leaked += sum(key.shown_in(joined, size=SHOWN) for key in keys)
        assert joined.startswith("Hello")
        assert joined.count(REDACTED) >= 1
    assert trials.leaked == 0


@pytest.mark.case(72)
def test_nothing_of_a_key_that_is_cut_off_comes_out(trials: Trials) -> None:
    """At every place in the key and in the bytes of an event, as a cut leaves it."""
    dice = Random(8)
    for name in KEYS:
        for _ in range(trials.many(quick=1, long=4)):
            key = KEYS[name](dice)
            stream = [
                TEXT.event(piece) for piece in in_pieces(f"It is {key.text}", dice)
            ]
            whole = dice.randrange(len(stream))
            step = dice.choice([1, 2, 3]) * trials.many(quick=2, long=1)
            for cut in range(0, len(stream[whole]), step):
                redactor = EventsRedactor(Secrets())
                out = redactor.feed(1, stream[:whole])
                rest = redactor.clean_rest(stream[whole][:cut])
                out += redactor.end()

                joined = "".join(TEXT.read(data_of(raw)) for _, raw in out)
                joined += rest.decode().partition('"text":"')[2]
                trials.ran += 1
                trials.leaked += key.shown_in(joined, size=SHOWN_OF_CUT)
    assert trials.leaked == 0


@pytest.mark.case(72)
@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_a_model_cuts_off_is_hidden(name: str, trials: Trials) -> None:
    """
    The stream is whole, and so is its block: at the last token a text just ends.

    Of a token the head is no secret, and AWS signatures may look like numbers.
    """
    dice = Random(name)
    stop = api_event({"type": "content_block_stop", "index": 0})
    for _ in range(trials.many(quick=5, long=200)):
        key = KEYS[name](dice)
        start = key.text.index(key.secrets[2 if name == "token" else 0])
        # Of so few characters some are words, by chance.
        size = dice.randint(16, 20)
        for shape in (TEXT, SHAPES["chat"], SHAPES["unknown"]):
            text = f"It is {key.text[: start + size]}"
            events = [shape.event(piece) for piece in in_pieces(text, dice)]
            ends = [stop if shape is TEXT else b"data: [DONE]\n\n"]

            redactor = EventsRedactor(Secrets())
            out = redactor.feed(1, [*events, *ends])

            assert len(out) == len(events) + 1
            joined = "".join(shape.read(data_of(raw)) for _, raw in out[:-1])
            trials.ran += 1
            secret = Planted(key.text, (key.text[start : start + size],))
            trials.leaked += secret.shown_in(joined, size=SHOWN_OF_CUT)
    assert trials.leaked == 0


@pytest.mark.parametrize("header", [("content-type", "application/json")])
def test_a_key_that_is_cut_off_in_a_whole_answer_is_hidden(
    header: tuple[str, str],
) -> None:
    said = ["the key is sk-ant-Qw7eRt9yUi", "sk-Qw7eRt9", "use hf_transfer", 'a "sk-"']
    content = [{"type": "text", "text": text} for text in said]
    redactor = body_redactor(response((header,)), Secrets())
    body = {"content": content, "stop_reason": "max_tokens"}
    redactor.feed(1, [json.dumps(body).encode()])

    [(_, cleaned)] = redactor.end()

    content[0]["text"] = f"the key is sk-ant-{REDACTED}"
    assert json.loads(cleaned) == body


@pytest.mark.case(71)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\\n", "\n    "])
@pytest.mark.parametrize("width", [64, 76])
def test_a_seen_key_in_base64_of_several_lines_is_hidden(
    width: int, line_end: str, trials: Trials
) -> None:
    """Wherever the lines end in it; of its characters, less than five are shown."""
    secrets = Secrets()
    dice = Random(width)
    secrets.add(UNKNOWN)
    for _ in range(trials.many(quick=15, long=400)):
        before, behind = ("a b\n" * dice.randint(9, 40) for _ in range(2))
        before += "c" * dice.randint(0, 90)
        encoded = base64.b64encode(f"{before}{UNKNOWN}{behind}".encode()).decode()
        lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
        text = f"It is:\n{line_end.join(lines)}\n. And so on"
        events = [TEXT.event(piece) for piece in in_pieces(text, dice)]

        out = redact(EventsRedactor(secrets), events)

        joined = "".join(TEXT.read(data_of(raw)) for raw in out)
        trials.ran += 1
        left = joined.replace(line_end, "")
        start = len(before) * 4 // 3
        inner = encoded[start + 2 : start + len(UNKNOWN) * 4 // 3 - 2]
        trials.leaked += Planted(inner, (inner,)).shown_in(left, size=9)
        assert joined.startswith("It is:\n")
        assert joined.endswith("\n. And so on")
        assert (
            clean_json(json.dumps(text).encode(), secrets).count(REDACTED.encode()) == 1
        )
    assert trials.leaked == 0


@pytest.mark.case(75)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nothing_is_held_of_ordinary_text(shape: Shape) -> None:
    """Whoever sends it, and in whatever fields."""
    secrets = Secrets()
    secrets.add(KEY)
    dice = Random(13)
    text = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")[:3000]
    # What ends in a backslash may be half of an escape.
    text = text.replace("\\", "/")
    redactor = EventsRedactor(secrets)
    for number, piece in enumerate(in_pieces(text, dice)):
        event = shape.event(piece)
        assert redactor.feed(number, [event]) == [(number, event)]


@pytest.mark.parametrize("count", [300, 3000])
def test_of_many_texts_the_last_are_looked_at(count: int) -> None:
    redactor = EventsRedactor(Secrets())
    events = [data_event({str(number): "a sk-ant-Qw7"}) for number in range(count)]
    out = redactor.feed(1, events)
    out += redactor.feed(2, [data_event({"z": KEY[:30]}), data_event({"z": KEY[30:]})])
    out += redactor.end()

    assert len(out) == count + 2
    assert data_of(out[-2][1]) == {"z": REDACTED}
    assert data_of(out[-1][1]) == {"z": ""}


@pytest.mark.parametrize("size", range(4, len(UNKNOWN), 5))
@pytest.mark.parametrize("before", [0, 2, 7])
def test_the_rest_of_a_cut_stream_shows_nothing_of_a_remembered_key(
    size: int, before: int
) -> None:
    secrets = Secrets()
    secrets.add(UNKNOWN)
    redactor = EventsRedactor(secrets)
    out = redactor.feed(1, [TEXT.event("It is " + UNKNOWN[:before])])
    event = TEXT.event(UNKNOWN[before:])

    rest = redactor.clean_rest(event[: event.index(b'"text":"') + 8 + size])

    joined = "".join(TEXT.read(data_of(raw)) for _, raw in out + redactor.end())
    joined += rest.decode().partition('"text":"')[2]
    assert not Planted(UNKNOWN, (UNKNOWN,)).shown_in(joined, size=SHOWN_OF_CUT)


def test_the_rest_of_an_error_event_shows_nothing_of_a_key() -> None:
    secrets = Secrets()
    secrets.add(UNKNOWN)
    event = b'event: error\ndata: {"error": {"message": "no %b' % UNKNOWN.encode()

    for cut in range(9, len(UNKNOWN)):
        rest = EventsRedactor(secrets).clean_rest(event[:-cut])
        shown = rest.decode().partition('"no ')[2]
        assert not Planted(UNKNOWN, (UNKNOWN,)).shown_in(shown, size=SHOWN_OF_CUT)


def test_the_rest_of_a_cut_stream_stays_if_it_holds_no_key() -> None:
    redactor = EventsRedactor(Secrets())
    redactor.feed(1, [TEXT.event("risk and ")])
    event = TEXT.event('task-\n \\u00e9 "sk-learn" é')

    for cut in range(len(event)):
        assert redactor.clean_rest(event[:cut]) == event[:cut]


@pytest.mark.case(73)
@pytest.mark.parametrize("escape", ["\\u{:04x}", "\\u{:04X}"], ids=["lower", "upper"])
def test_a_key_in_the_escapes_of_a_tools_input_is_taken_out(
    escape: str, trials: Trials
) -> None:
    """Also where an event ends within an escape; what comes out is JSON as before."""
    dice = Random(9)
    shape = SHAPES["tool-input"]
    for _ in range(trials.many(quick=12, long=200)):
        key = "".join(
            escape.format(ord(char)) if dice.random() < 0.4 else char for char in KEY
        )
        text = '{"path": "C:\\\\tmp\\u0041", "é": ["KEY", "\\/"]}'.replace("KEY", key)
        events = [shape.event(piece) for piece in in_pieces(text, dice)]

        out = redact(EventsRedactor(Secrets()), events)

        joined = "".join(shape.read(data_of(raw)) for raw in out)
        trials.ran += 1
        trials.leaked += Planted(KEY, (SECRET,)).shown_in(joined, size=SHOWN)
        path, (word, slash) = json.loads(joined).values()
        assert (path, slash) == ("C:\\tmpA", "/")
        # The public word may have been written before it was known for one.
        assert KEY.startswith(word.removesuffix(REDACTED))
    assert trials.leaked == 0


@pytest.mark.case(75)
def test_events_keep_their_number_order_offsets_and_fields(trials: Trials) -> None:
    """
    Two texts at once, with pings among them; only the texts that hold keys differ.
    """
    dice = Random(10)
    shapes = [block_delta("text_delta", "text", index) for index in range(2)]
    for _ in range(trials.many(quick=6, long=60)):
        secrets = Secrets()
        keys = [plant(dice, secrets), plant(dice, secrets)]
        texts = [" and ".join(["It is", *(key.text for key in each)]) for each in keys]
        queues = [
            [shape.event(piece) for piece in in_pieces(text, dice)]
            for shape, text in zip(shapes, texts, strict=True)
        ]
        events = []
        while any(queues):
            events.append(dice.choice([each for each in queues if each]).pop(0))
            if dice.random() < 0.2:
                events.append(PING)
        redactor = EventsRedactor(secrets)

        cleaned: Cleaned = []
        for number, event in enumerate(events):
            cleaned += redactor.feed(number * 5, [event])
        cleaned += redactor.end()

        trials.ran += 1
        assert [offset for offset, _ in cleaned] == [5 * n for n in range(len(events))]
        for event, (_, raw) in zip(events, cleaned, strict=True):
            was, now = data_of(event), data_of(raw)
            if event == PING:
                assert raw == event
                continue
            was["delta"]["text"] = now["delta"]["text"]
            assert now == was
            assert parse_event(raw).name == parse_event(event).name
        for index, planted in enumerate(keys):
            joined = "".join(
                TEXT.read(data)
                for data in (data_of(raw) for _, raw in cleaned)
                if data.get("index") == index
            )
            trials.leaked += sum(key.shown_in(joined, size=SHOWN) for key in planted)
    assert trials.leaked == 0


def test_the_end_of_one_block_is_not_that_of_another() -> None:
    stop = api_event({"type": "content_block_stop", "index": 1})
    events = [TEXT.event("It is " + KEY[:25]), stop, TEXT.event(KEY[25:] + ".")]

    out = redact(EventsRedactor(Secrets()), events)

    texts = [TEXT.read(data_of(out[0])), TEXT.read(data_of(out[2]))]
    assert texts == [f"It is {REDACTED}", "."]
    assert out[1] == stop


def test_a_text_is_over_with_its_block() -> None:
    """What is held then can't become a key any more, and nothing waits behind it."""
    redactor = EventsRedactor(Secrets())
    held = [TEXT.event("Use sk-lear"), PING]
    stop = api_event({"type": "content_block_stop", "index": 0})

    assert redactor.feed(1, held) == []
    assert redactor.feed(2, [stop]) == [(1, held[0]), (1, PING), (2, stop)]


@pytest.mark.case(75)
def test_what_waits_behind_a_held_event_keeps_its_offset() -> None:
    redactor = EventsRedactor(Secrets())
    held = TEXT.event("The sk-ant-a")

    assert redactor.feed(10, [held]) == []
    assert redactor.feed(20, [PING]) == []
    assert redactor.feed(30, [TEXT.event(" hill")]) == [
        (10, held),
        (20, PING),
        (30, TEXT.event(" hill")),
    ]


def test_a_key_of_a_hundred_events_is_one_place(trials: Trials) -> None:
    events = [TEXT.event(char) for char in f"a {KEY} b"]

    out = redact(EventsRedactor(Secrets()), events)

    assert len(out) == len(events)
    joined = "".join(TEXT.read(data_of(raw)) for raw in out)
    # The word that all such keys begin with was written before it was known for one.
    assert joined == f"a sk-ant-api03-{REDACTED} b"


@pytest.mark.case(72)
@pytest.mark.parametrize(
    "cuts", [(0, 20, 50), (0, 13, 14), (0, 60), (2, 30), (7, 40), (1, 2, 3)]
)
@pytest.mark.parametrize("word", ["Hello", "see:", "é", ""])
def test_a_key_may_stand_right_behind_a_word(word: str, cuts: tuple[int, ...]) -> None:
    """Whole in an event it is one there, for a quote stands before it."""
    places = [*cuts, len(KEY)]
    pieces = [KEY[: places[0]], *(KEY[a:b] for a, b in pairwise(places)), " end"]
    events = [TEXT.event(piece) for piece in [word, *pieces]]

    out = redact(EventsRedactor(Secrets()), events)

    joined = "".join(TEXT.read(data_of(raw)) for raw in out)
    assert joined.startswith(word)
    assert joined.endswith(f"{REDACTED} end")
    assert not any(KEY[start : start + 8] in joined for start in range(13, 90))


@pytest.mark.case(72)
def test_a_key_in_the_start_of_a_block_goes_on_in_its_deltas() -> None:
    start = api_event(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": KEY[:30]},
        }
    )

    out = redact(
        EventsRedactor(Secrets()), [start, TEXT.event(KEY[30:]), TEXT.event(" b")]
    )

    assert data_of(out[0])["content_block"]["text"] == REDACTED
    assert [TEXT.read(data_of(raw)) for raw in out[1:]] == ["", " b"]


@pytest.mark.case(74)
def test_of_two_keys_one_may_begin_as_the_other(trials: Trials) -> None:
    """However they are cut, and whichever was seen first."""
    short = "corp7-alpha"
    dice = Random(11)
    long = "corp7-alpha-bravo/charlie+9"
    planted = [Planted(each, (each,)) for each in (short, long)]
    for order in ((short, long), (long, short)):
        for _ in range(trials.many(quick=15, long=300)):
            secrets = Secrets()
            for each in order:
                secrets.add(each)
            text = f"one {long}, two {short}, three {long}{short} end"
            events = [TEXT.event(piece) for piece in in_pieces(text, dice)]

            out = redact(EventsRedactor(secrets), events)

            joined = "".join(TEXT.read(data_of(raw)) for raw in out)
            trials.ran += 1
            trials.leaked += sum(key.shown_in(joined, size=SHOWN) for key in planted)
            assert joined.endswith(" end")
            for word in ("one", "two", "three"):
                assert word in joined
    assert trials.leaked == 0


@pytest.mark.case(74)
@pytest.mark.parametrize("word", ["short7", "seven77", "password", "authentication"])
def test_what_is_too_short_or_a_word_is_no_secret(word: str) -> None:
    secrets = Secrets()
    secrets.add(word)
    events = [TEXT.event(f"a {word} b"), TEXT.event(word[:5]), TEXT.event(word[5:])]

    assert redact(EventsRedactor(secrets), events) == events


def proses() -> list[tuple[str, str]]:
    files = [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "src" / "streamtape" / "core").glob("*.py")),
        *sorted((ROOT / "tests" / "e2e").glob("*.py")),
    ]
    kept = [(path.name, path.read_text(encoding="utf-8")) for path in files]
    words = (
        "task-management, disk-usage, sk-learn, risk-averse, mask-rcnn, ask-me; "
        "Bearer of bad news; AKIA, ghp_, xoxb-, npm_install, hf_hub; eyJ is how "
        "base64 of JSON begins: eyJhbGciOiJIUzI1NiJ9; -----BEGIN CERTIFICATE-----\n"
        "-----BEGIN PRIVATE KEY----- is a line; X-Amz-Signature= is a parameter; "
        "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ" * 20
    )
    return [*kept, ("words", words)]


@pytest.mark.case(75)
def test_ordinary_texts_are_never_changed_and_hardly_held(trials: Trials) -> None:
    """
    Those of this project, which is about keys, and words that look like their
    beginnings. A key of its own is remembered, as in any recording.
    """
    secrets = Secrets()
    secrets.add(KEY)
    dice = Random(12)
    chars = trials.many(quick=3_000, long=20_000)
    for _, text in proses():
        events = [TEXT.event(piece) for piece in in_pieces(text[:chars], dice)]
        redactor = EventsRedactor(secrets)
        out: list[bytes] = []
        most_held = 0
        for number, event in enumerate(events, 1):
            out += [raw for _, raw in redactor.feed(number, [event])]
            most_held = max(most_held, number - len(out))
        out += [raw for _, raw in redactor.end()]

        trials.ran += 1
        trials.wrong += out != events
        # A word as long as the beginning of a token may come letter by letter.
        assert most_held <= 40
    assert trials.wrong == 0


STREAM: Final = ("content-type", "text/event-stream")
JSON: Final = ("content-type", "application/json")
PLAIN: Final = ("content-type", "text/plain")


def redactor_of(
    *headers: tuple[str, str], secrets: Secrets | None = None
) -> BodyRedactor:
    return body_redactor(response(headers), secrets or Secrets())


def response(headers: Headers) -> Response:
    return Response(status=401, reason="", headers=headers, offset_ns=1)


@pytest.mark.case(73)
@pytest.mark.parametrize("header", [JSON, PLAIN], ids=["json", "text"])
@pytest.mark.parametrize("key", [KEY, UNKNOWN], ids=["known", "unknown"])
def test_an_error_that_repeats_the_key_is_recorded_without_it(
    header: tuple[str, str], key: str
) -> None:
    """However its chunks are cut."""
    secrets = Secrets()
    secrets.add(UNKNOWN)
    body = json.dumps({"error": {"message": f"invalid x-api-key: {key}"}}).encode()
    for size in (1, 2, 7, 40, len(body)):
        redactor = redactor_of(header, secrets=secrets)

        cleaned: Cleaned = []
        for at in range(0, len(body), size):
            cleaned += redactor.feed(at, [body[at : at + size]])
        cleaned += redactor.end()

        joined = b"".join(raw for _, raw in cleaned)
        assert joined == body.replace(key.encode(), REDACTED.encode())


@pytest.mark.parametrize("header", [JSON, PLAIN], ids=["json", "text"])
@pytest.mark.parametrize("key", [KEY, UNKNOWN], ids=["known", "unknown"])
def test_an_error_that_is_cut_off_in_the_key_shows_nothing_of_it(
    header: tuple[str, str], key: str
) -> None:
    secrets = Secrets()
    secrets.add(UNKNOWN)
    secret = key.removeprefix("sk-ant-api03-")
    for size in range(len(key)):
        redactor = redactor_of(header, secrets=secrets)

        cleaned = redactor.feed(1, [b'{"message": "no ' + key[:size].encode()])
        cleaned += redactor.end()

        joined = b"".join(raw for _, raw in cleaned).decode()
        assert joined.startswith('{"message": "no ')
        assert not Planted(key, (secret,)).shown_in(joined, size=SHOWN_OF_CUT)


@pytest.mark.case(75)
def test_a_private_key_without_its_end_leaves_the_json_behind_it() -> None:
    body = {"a": "-----BEGIN PRIVATE KEY-----", "b": "Ab3" * 20, "c": "x" * 80}
    broken = {**body, "a": "-----BEGIN PRIVATE KEY-----\n" + "MIIE" * 16}
    for value in (body, broken):
        redactor = redactor_of(JSON)
        redactor.feed(1, [json.dumps(value).encode()])

        [(_, cleaned)] = redactor.end()

        expected = value if value is body else {**value, "a": REDACTED}
        assert json.loads(cleaned) == expected


def test_a_key_that_is_no_utf_8_leaves_the_stream_alone() -> None:
    """A header in latin-1, which the upstream repeats in UTF-8."""
    secrets = Secrets()
    secrets.add(b"\xa9corp12345678".decode(errors="surrogateescape"))

    [out] = redact(EventsRedactor(secrets), [TEXT.event("a \xa9corp12345678 b")])

    assert "12345678" not in TEXT.read(data_of(out))
    assert TEXT.read(data_of(out)).endswith(" b")


def test_deep_nesting_ends_no_recording() -> None:
    for depth in (100, 900, 950, 980, 985, 990, 991, 992, 995, 2000):
        nested = "[" * depth + "]" * depth
        delta = f'{{"type":"text_delta","text":"{KEY}"}}'
        event = (
            f'data: {{"x":{nested},"type":"content_block_delta","delta":{delta}}}\n\n'
        )

        [out] = redact(EventsRedactor(Secrets()), [event.encode()])

        assert SECRET.encode() not in out


def plant(dice: Random, secrets: Secrets) -> list[Planted]:
    """Make up to three keys, of which one may be known only because it was seen."""
    keys = [dice.choice(list(KEYS.values()))(dice) for _ in range(dice.randint(1, 3))]
    if dice.random() < 0.4:
        secret = "unk." + "".join(dice.choices("abcXYZ0189-_+/=", k=30)) + "7"
        secrets.add(secret)
        keys.append(Planted(secret, (secret,)))
        dice.shuffle(keys)
    return keys


def redact(redactor: BodyRedactor, events: list[bytes]) -> list[bytes]:
    """Give events one by one; nothing is lost, and none comes out too early."""
    out: Cleaned = []
    for number, event in enumerate(events):
        out += redactor.feed(number, [event])
    out += redactor.end()
    assert [offset for offset, _ in out] == list(range(len(events)))
    assert redactor.find_kinds() == []
    return [raw for _, raw in out]


def data_of(raw: bytes) -> Any:
    return json.loads(parse_event(raw).data or "")
