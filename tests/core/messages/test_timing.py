from __future__ import annotations

import pytest

from streamtape.core.messages.timing import Timing, measure, percentile_ns
from streamtape.core.model import Ending, EndReason, Part, Response

MS = 1_000_000
START = '{"type":"message_start","message":{"usage":{"output_tokens":3}}}'
PING = '{"type":"ping"}'
BLOCK = '{"type":"content_block_start","index":0,"content_block":{"type":"text"}}'
STOP = '{"type":"message_stop"}'


def thinking(piece: str) -> str:
    return delta(f'{{"type":"thinking_delta","thinking":"{piece}"}}')


def text(piece: str) -> str:
    return delta(f'{{"type":"text_delta","text":"{piece}"}}')


def delta(fields: str) -> str:
    return f'{{"type":"content_block_delta","index":0,"delta":{fields}}}'


def end(tokens: object) -> str:
    return (
        '{"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        f'"usage":{{"output_tokens":{tokens}}}}}'
    )


def head(content_type: str = "text/event-stream; charset=utf-8") -> Response:
    return Response(
        status=200,
        reason="OK",
        headers=(("Content-Type", content_type),),
        offset_ns=300 * MS,
    )


def ending(offset_ms: int) -> Ending:
    return Ending(reason=EndReason.COMPLETE, offset_ns=offset_ms * MS)


def parts(*events: tuple[int, str]) -> list[Part]:
    """Parts of a stream from pairs of an offset in ms and an event's data."""
    return [
        Part(offset_ms * MS, f"event: any\ndata: {data}\n\n".encode())
        for offset_ms, data in events
    ]


def test_every_time_of_a_stream_is_measured() -> None:
    """Empty deltas and pings are no first token, and thinking is no text."""
    events = parts(
        (310, START),
        (310, BLOCK),
        (320, text("")),
        (400, PING),
        (500, thinking("Hm")),
        (700, text("Yes")),
        (900, text(".")),
        (950, text("")),
        (950, end(5)),
        (960, STOP),
    )

    assert measure(head(), events, ending(1000)) == Timing(
        time_to_headers_ns=300 * MS,
        ttft_ns=500 * MS,
        ttft_text_ns=700 * MS,
        gaps_ns=tuple(ms * MS for ms in (0, 10, 80, 100, 200, 200, 50, 0, 10)),
        duration_ns=1000 * MS,
        output_tokens=5,
        tpot_ns=100 * MS,
    )


def test_the_input_of_a_tool_is_no_thinking() -> None:
    events = parts(
        (500, thinking("Hm")),
        (600, delta('{"type":"signature_delta","signature":"c2ln"}')),
        (700, delta('{"type":"input_json_delta","partial_json":"{"}')),
    )

    timing = measure(head(), events, ending(1000))

    assert timing.ttft_ns == 500 * MS
    assert timing.ttft_text_ns == 700 * MS


@pytest.mark.parametrize(
    ("last", "output_tokens", "tpot_ns"),
    [
        pytest.param(end(4), 4, 66_666_667, id="rounded"),
        pytest.param(end(2), 2, 200 * MS, id="two"),
        pytest.param(end(1), 1, None, id="one-token-has-no-pace"),
        pytest.param(end(0), 0, None, id="none"),
        pytest.param(end("null"), 3, 100 * MS, id="the-first-usage-stays"),
        pytest.param(end('"9"'), None, None, id="no-number"),
        pytest.param(end("2.5"), None, None, id="no-whole-number"),
        pytest.param(end("true"), None, None, id="bool"),
        pytest.param(PING, None, None, id="cut-before-its-usage-was-final"),
    ],
)
def test_time_per_token_needs_the_final_number_of_tokens(
    last: str, output_tokens: int | None, tpot_ns: int | None
) -> None:
    events = parts((310, START), (500, text("a")), (700, text("b")), (710, last))

    timing = measure(head(), events, ending(1000))

    assert timing.output_tokens == output_tokens
    assert timing.tpot_ns == tpot_ns


def test_a_stream_without_deltas_has_no_first_token() -> None:
    """A refusal before any output, for one."""
    timing = measure(head(), parts((310, START), (400, end(7)), (400, STOP)), ending(9))

    assert (timing.ttft_ns, timing.ttft_text_ns, timing.tpot_ns) == (None, None, None)
    assert timing.output_tokens == 7


def test_text_of_another_provider_is_a_first_token() -> None:
    events = parts(
        (400, '{"choices":[{"delta":{"role":"assistant"}}]}'),
        (500, '{"choices":[{"delta":{"content":"a"}}]}'),
    )

    timing = measure(head(), events, ending(600))

    assert timing.ttft_ns == timing.ttft_text_ns == 500 * MS


def test_a_plain_body_has_gaps_and_no_tokens() -> None:
    """What looks like an event isn't read as one."""
    chunks = parts((400, START), (500, text("a")), (600, text("b")), (700, end(5)))

    assert measure(head("application/json"), chunks, ending(700)) == Timing(
        time_to_headers_ns=300 * MS,
        ttft_ns=None,
        ttft_text_ns=None,
        gaps_ns=(100 * MS, 100 * MS, 100 * MS),
        duration_ns=700 * MS,
        output_tokens=None,
        tpot_ns=None,
    )


def test_no_answer_has_only_a_duration() -> None:
    assert measure(None, [], ending(50)) == Timing(
        time_to_headers_ns=None,
        ttft_ns=None,
        ttft_text_ns=None,
        gaps_ns=(),
        duration_ns=50 * MS,
        output_tokens=None,
        tpot_ns=None,
    )


@pytest.mark.parametrize(
    ("response", "events", "expected"),
    [
        pytest.param(
            head(),
            parts((310, START), (412, text("a")), (612, text("b")), (612, end(9))),
            "<Timing: headers 300.0 ms, first token 412.0 ms, per token 25.0 ms, "
            "total 6200.0 ms, 3 gaps>",
            id="stream",
        ),
        pytest.param(None, [], "<Timing: total 6200.0 ms, 0 gaps>", id="no-answer"),
    ],
)
def test_a_timing_shows_what_is_known(
    response: Response | None, events: list[Part], expected: str
) -> None:
    assert repr(measure(response, events, ending(6200))) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (50.1, 35), (99, 50), (100, 50)],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(q: float, expected: int) -> None:
    assert percentile_ns([50, 15, 40, 20, 35], q) == expected


def test_every_percent_of_a_hundred_values_is_one_of_them() -> None:
    assert [percentile_ns(range(1, 101), q) for q in range(1, 101)] == [*range(1, 101)]


@pytest.mark.parametrize(
    ("values_ns", "q"),
    [
        pytest.param([], 50, id="no-values"),
        pytest.param([1], -1, id="below-0"),
        pytest.param([1], 100.1, id="above-100"),
        pytest.param([1], float("nan"), id="nan"),
    ],
)
def test_a_percentile_of_nothing_is_an_error(values_ns: list[int], q: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile_ns(values_ns, q)
