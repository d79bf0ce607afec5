from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching import (
    MAX_DEPTH,
    canonical_body,
    cassette_stem,
    find_parts,
    matched_query,
    parse_json_body,
    request_key,
    slug,
)
from streamtape.core.model import Request

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def post(
    body: bytes = b"",
    *,
    target: str = "/v1/messages",
    media_type: str | None = "application/json",
) -> Request:
    headers = () if media_type is None else (("Content-Type", media_type),)
    return Request(method="POST", target=target, headers=headers, body=body)


def ask(*messages: Json, **fields: Json) -> Request:
    return post(json.dumps({"messages": [*messages], **fields}).encode())


def user(content: Json) -> Json:
    return {"role": "user", "content": content}


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def multipart(boundary: str, *parts: bytes, quoted: bool = False) -> Request:
    line = boundary.encode()
    body = b"".join(b"--%b\r\n\r\n%b\r\n" % (line, part) for part in parts)
    value = f'"{boundary}"' if quoted else boundary
    return post(
        body + b"--%b--\r\n" % line,
        media_type=f"multipart/form-data; charset=utf-8; boundary={value}",
    )


# JSON values, and every way to spell one


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def spellings(draw: DrawFn, value: Json) -> str:
    """
    Write a JSON value in one of the many ways that mean the same.
    """
    space = draw(st.sampled_from(["", " ", "\n\t", "\r\n"]))
    match value:
        case bool() | None:
            written = json.dumps(value)
        case int() | float():
            written = draw(numbers(Decimal(repr(value))))
        case str():
            written = '"' + "".join(draw(characters(char)) for char in value) + '"'
        case list():
            written = f"[{','.join(draw(spellings(item)) for item in value)}{space}]"
        case dict():
            members = [
                f"{draw(spellings(key))}:{draw(spellings(member))}"
                for key, member in draw(st.permutations(list(value.items())))
            ]
            written = f"{{{','.join(members)}{space}}}"
    return f"{space}{written}{space}"


@st.composite
def numbers(draw: DrawFn, value: Decimal) -> str:
    shift = draw(st.integers(min_value=-3, max_value=3))
    # Whether the exponent is written with a sign, zeros or in capitals is free.
    mark = draw(st.sampled_from(["e{:d}", "E{:+d}", "e{:+03d}"]))
    digits = format(value.scaleb(-shift), "f")
    plain = format(value, "f")
    return draw(st.sampled_from([plain, digits + mark.format(shift)]))


@st.composite
def characters(draw: DrawFn, char: str) -> str:
    units = char.encode("utf-16-be").hex()
    escaped = "".join(rf"\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    shortest = json.dumps(char, ensure_ascii=False)[1:-1]
    return draw(st.sampled_from([shortest, escaped, escaped.upper().replace("U", "u")]))


def strict(value: Json) -> object:
    """
    Return a value whose equality is that of JSON: true isn't 1, but 1.0 is.
    """
    match value:
        case bool() | None | str():
            return (type(value), value)
        case int() | float():
            return Decimal(repr(value)) + 0
        case list():
            return [strict(item) for item in value]
        case dict():
            return {key: strict(member) for key, member in value.items()}


@given(st.data(), json_values)
def test_a_body_in_any_spelling_has_the_same_key(
    data: st.DataObject, value: Json
) -> None:
    one, other = data.draw(spellings(value)), data.draw(spellings(value))

    assert request_key(post(one.encode())) == request_key(post(other.encode()))


@given(json_values, json_values)
def test_bodies_of_equal_value_and_only_they_have_the_same_key(
    one: Json, other: Json
) -> None:
    unmatched = {"metadata"}
    left, right = (
        {key: value[key] for key in value if key not in unmatched}
        if isinstance(value, dict)
        else value
        for value in (one, other)
    )
    keys = {request_key(post(json.dumps(value).encode())) for value in (one, other)}

    assert (len(keys) == 1) == (strict(left) == strict(right))


@given(st.data(), st.lists(json_values, min_size=1, max_size=4), json_values)
def test_one_changed_item_changes_the_key(
    data: st.DataObject, items: list[Json], changed: Json
) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    others = [*items[:index], changed, *items[index + 1 :]]
    keys = {request_key(ask(*messages)) for messages in (items, others)}

    assert (len(keys) == 1) == (strict(items[index]) == strict(changed))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(b'{"a":1,"b":2}', b'{ "b" : 2, "a" : 1 }', id="order-spaces"),
        pytest.param(b"[1, 100, 15e-1]", b"[1.0, 1e2, 1.50]", id="numbers"),
        pytest.param(b"[0, 0, 0]", b"[-0.0, -0, 0e5]", id="minus-zero"),
        pytest.param(b"1e23", b"1" + 23 * b"0", id="integer-beyond-doubles"),
        pytest.param(b"9007199254740993.0", b"9007199254740993", id="odd-beyond-2**53"),
        pytest.param(rb'"\u00e9\n\/"', '"é\\u000a/"'.encode(), id="escapes"),
        pytest.param('"😀"'.encode(), rb'"\uD83D\ude00"', id="surrogate-pair"),
        pytest.param(b'{"a":1,"a":2}', b'{"a":2}', id="last-of-duplicates"),
        pytest.param(b"\xef\xbb\xbf[]", b"[]", id="byte-order-mark"),
        pytest.param(
            b'{"model":"m","metadata":{"user_id":"u1"}}',
            b'{"model":"m"}',
            id="metadata",
        ),
    ],
)
def test_these_bodies_are_the_same(one: bytes, other: bytes) -> None:
    assert canonical_body(post(one)) == canonical_body(post(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(b"1", b'"1"', id="number-string"),
        pytest.param(b"true", b"1", id="true-one"),
        pytest.param(b"null", b'"null"', id="null-string"),
        pytest.param(b"null", b"", id="null-nothing"),
        pytest.param(b"[]", b"{}", id="array-object"),
        pytest.param(b'{"a":null}', b"{}", id="null-member"),
        pytest.param(b"[1,2]", b"[2,1]", id="order-of-items"),
        pytest.param(b'{"stream":true}', b'{"stream":false}', id="stream"),
        pytest.param(b'{"stream":true}', b"{}", id="stream-absent"),
        pytest.param(b'{"a":{"metadata":1}}', b'{"a":{}}', id="inner-metadata"),
        pytest.param(b'["metadata"]', b"[]", id="metadata-as-an-item"),
        pytest.param(b"9007199254740993", b"9007199254740992", id="big-integers"),
        pytest.param(b"1e400", b"1e401", id="beyond-doubles"),
        pytest.param(b'"\xff"', b'"\xfe"', id="not-utf-8"),
        pytest.param(b'"a', b'"a ', id="cut-short"),
        pytest.param(b"NaN", b"Infinity", id="no-json-numbers"),
        pytest.param(
            b'"\xed\xa0\xbd\xed\xb8\x80"', '"😀"'.encode(), id="surrogates-in-utf-8"
        ),
    ],
)
def test_these_bodies_differ(one: bytes, other: bytes) -> None:
    assert request_key(post(one)) != request_key(post(other))


@pytest.mark.parametrize(
    ("media_type", "is_json"),
    [
        pytest.param("application/json", True, id="json"),
        pytest.param("Application/JSON; charset=utf-8", True, id="json-parameters"),
        pytest.param("application/problem+json", True, id="json-suffix"),
        pytest.param(None, True, id="absent"),
        pytest.param("text/plain", False, id="plain"),
        pytest.param("application/x-www-form-urlencoded", False, id="form"),
    ],
)
def test_a_body_is_parsed_if_its_media_type_is_json_or_absent(
    media_type: str | None, is_json: bool
) -> None:
    request = post(b'{"a": 1}', media_type=media_type)

    assert parse_json_body(request) == ({"a": 1} if is_json else None)


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"NaN", b'"\xff"', b"1 2"])
def test_a_body_that_is_no_json_counts_as_its_bytes(body: bytes) -> None:
    assert parse_json_body(post(body)) is None
    assert canonical_body(post(body)) == b"raw\n" + body


def test_the_whole_json_body_is_given_with_its_metadata() -> None:
    assert parse_json_body(post(b'{"metadata": {}}')) == {"metadata": {}}


def test_kinds_of_bodies_do_not_collide() -> None:
    request = post(b'{"a":1}')
    same_bytes = post(canonical_body(request), media_type="text/plain")
    parts = multipart("x", b"a")
    same_parts = post(canonical_body(parts), media_type="text/plain")

    keys = {request_key(each) for each in (request, same_bytes, parts, same_parts)}

    assert len(keys) == 4


def test_nesting_up_to_the_limit_is_json_and_beyond_it_bytes() -> None:
    at_limit = b"[" * MAX_DEPTH + b" " + b"]" * MAX_DEPTH
    beyond = b"[" + at_limit + b"]"

    assert canonical_body(post(at_limit)) == b"json\n" + at_limit.replace(b" ", b"")
    assert canonical_body(post(at_limit.replace(b" ", b"1")))[:5] == b"json\n"
    assert canonical_body(post(beyond)) == b"raw\n" + beyond


def test_nesting_beyond_what_the_parser_takes_is_bytes() -> None:
    body = b'{"a":' * 100_000

    assert canonical_body(post(body)) == b"raw\n" + body


# Method, path and query


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/v1/models?a=1&b=2", "/v1/models?b=2&a=1", id="order"),
        pytest.param("/v1/models?a=%2f%20x", "/v1/models?a=/+x", id="percent-encoding"),
        pytest.param("/v1/models?beta=true&a=1", "/v1/models?a=1", id="beta"),
        pytest.param("/v1/models?", "/v1/models", id="nothing-behind-the-mark"),
    ],
)
def test_these_targets_are_the_same(one: str, other: str) -> None:
    assert request_key(post(target=one)) == request_key(post(target=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/v1/models", "/v1/messages", id="path"),
        pytest.param("/v1/models?a=1", "/v1/models?a=2", id="value"),
        pytest.param("/v1/models?a=", "/v1/models", id="empty-value"),
        pytest.param("/v1/models?a=1&a=1", "/v1/models?a=1", id="twice"),
        pytest.param("/v1/models?a=1%26b=2", "/v1/models?a=1&b=2", id="escaped-mark"),
        pytest.param("/v1/models?a=%ff", "/v1/models?a=%fe", id="not-utf-8"),
        pytest.param("/v1/models?betas=1", "/v1/models", id="not-beta"),
    ],
)
def test_these_targets_differ(one: str, other: str) -> None:
    assert request_key(post(target=one)) != request_key(post(target=other))


@given(st.data(), st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4))
def test_a_query_in_any_order_has_the_same_key(
    data: st.DataObject, pairs: list[tuple[str, str]]
) -> None:
    def target(some_pairs: list[tuple[str, str]]) -> str:
        escaped = (
            "=".join("".join(f"%{byte:02x}" for byte in side.encode()) for side in pair)
            for pair in some_pairs
        )
        return "/v1/models?" + "&".join(escaped)

    shuffled = data.draw(st.permutations(pairs))

    assert request_key(post(target=target(pairs))) == request_key(
        post(target=target(list(shuffled)))
    )
    assert matched_query(post(target=target(pairs))) == sorted(
        pair for pair in pairs if pair[0] != "beta"
    )


def test_the_method_is_in_the_key_and_headers_are_not() -> None:
    get = Request(method="GET", target="/v1/files")
    delete = Request(method="DELETE", target="/v1/files")
    with_header = Request(
        method="GET", target="/v1/files", headers=(("user-agent", "x"),)
    )

    assert request_key(get) != request_key(delete)
    assert request_key(get) == request_key(with_header)


def test_the_key_never_changes() -> None:
    """Cassettes are named by it, so another key would orphan what is recorded."""
    request = post(b'{"model": "m", "stream": true}', target="/v1/messages?beta=true")

    assert request_key(request) == (
        "26a385317cd7a6d2b24f13d5a492c86457b49fe393ffe6d458b3f97485b7f302"
    )


# Multipart


@given(st.lists(st.binary(max_size=20), max_size=3), st.booleans())
def test_the_boundary_is_not_in_the_key(parts: list[bytes], quoted: bool) -> None:
    one = multipart("----first1f0c", *parts)
    other = multipart("second9", *parts, quoted=quoted)

    assert request_key(one) == request_key(other)


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_different_parts_have_different_keys(
    one: list[bytes], other: list[bytes]
) -> None:
    keys = {request_key(multipart("limit7", *parts)) for parts in (one, other)}

    assert (len(keys) == 1) == (one == other)


def test_a_part_cannot_pass_for_two() -> None:
    one = multipart("b", b"a\r\n\r\nb")
    two = multipart("b", b"a", b"b")

    assert request_key(one) != request_key(two)


def test_a_boundary_within_a_line_does_not_cut() -> None:
    request = multipart("b", b"one --b two")

    assert find_parts(request) == [b"", b"\r\n\r\none --b two", b"--\r\n"]


@pytest.mark.parametrize(
    "media_type",
    [
        "multipart/form-data",
        'multipart/form-data; boundary=""',
        "text/plain; boundary=b",
    ],
)
def test_a_body_without_a_boundary_counts_as_its_bytes(media_type: str) -> None:
    request = post(b"--b\r\n\r\nx\r\n--b--", media_type=media_type)

    assert find_parts(request) is None
    assert canonical_body(request) == b"raw\n" + request.body


# Names


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(ask(user("What is 2 + 2?")), "what-is-2-2", id="string"),
        pytest.param(
            ask(user("First"), {"role": "assistant", "content": "x"}, user("Second")),
            "second",
            id="last-of-the-user",
        ),
        pytest.param(
            ask(user([text("one"), text("two")])), "two", id="last-text-block"
        ),
        pytest.param(
            ask(
                user("Weather in Oslo"),
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]},
                user([{"type": "tool_result", "content": "rain"}]),
            ),
            "weather-in-oslo",
            id="tool-result-skipped",
        ),
        pytest.param(
            ask(user([text("do it"), text(" <system-reminder>no</system-reminder>")])),
            "do-it",
            id="reminder-skipped",
        ),
        pytest.param(ask(user("\n " * 500 + "late")), "late", id="leading-space"),
        pytest.param(ask(user("Où est l'été?")), "ou-est-lete", id="accents"),
        pytest.param(ask(user("What\u2019s up")), "whats-up", id="apostrophe"),
        pytest.param(ask(user("../../etc/passwd\0")), "etc-passwd", id="path-in-text"),
        pytest.param(ask(user("CON")), "con-request", id="device"),
        pytest.param(ask(user("lpt1")), "lpt1-request", id="numbered-device"),
        pytest.param(ask(user("console")), "console", id="no-device"),
        pytest.param(
            ask(user("a234567890 b234567890 c234567890 d234567 more")),
            "a234567890-b234567890-c234567890-d234567",
            id="40-characters",
        ),
        pytest.param(
            ask(user("a234567890 b234567890 c234567890 d2345678 more")),
            "a234567890-b234567890-c234567890",
            id="cut-at-a-word",
        ),
        pytest.param(ask(user("x" * 99)), "x" * 40, id="one-long-word"),
        pytest.param(ask(user("你好")), "messages", id="no-ascii"),
        pytest.param(ask(), "messages", id="no-messages"),
        pytest.param(ask("text", 7, user(None)), "messages", id="odd-messages"),
        pytest.param(ask(user([text("a"), {"type": "text"}, 1])), "a", id="odd-blocks"),
        pytest.param(
            post(target="/v1/messages/count_tokens"), "count-tokens", id="count-tokens"
        ),
        pytest.param(post(target="/v1/models?limit=3"), "models", id="models"),
        pytest.param(post(target="/v1/messages/batches/"), "batches", id="batches"),
        pytest.param(post(target="/v1/models/claude-7"), "models", id="model-id"),
        pytest.param(
            post(target="/v1/messages/batches/msgbatch_01x/results"),
            "results",
            id="below-an-id",
        ),
        pytest.param(post(target="/"), "request", id="root"),
        pytest.param(post(target="/v1/..."), "request", id="no-words-in-path"),
    ],
)
def test_the_slug_tells_which_request_it_is(request_: Request, expected: str) -> None:
    assert slug(request_) == expected


@given(st.text())
def test_a_slug_is_always_safe_as_a_file_name(words: str) -> None:
    result = slug(post(json.dumps({"messages": [user(words)]}).encode()))

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", result)
    assert len(result) <= 40


def test_the_name_of_a_cassette_is_its_slug_and_the_start_of_its_key() -> None:
    request = ask(user("Hello there"))

    assert cassette_stem(request, "0123456789abcdef") == "hello-there-01234567"


def test_a_key_does_not_depend_on_the_depth_of_the_stack() -> None:
    """A body is read alike in a shallow recorder and deep inside of a test."""
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    def key_at(depth: int) -> str:
        return key_at(depth - 1) if depth else request_key(post(body))

    assert key_at(500) == request_key(post(body))
