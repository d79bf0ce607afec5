from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamtape.core.matching.body import MAX_DEPTH, BodyKind, decode_body
from streamtape.core.matching.key import DEFAULT_RULES, match_input_of, request_key
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Query: TypeAlias = list[tuple[str, str]]

EVERY_RULE = Rules(
    ignore=("messages[*].cache_control", "$..diagnostics", "?limit"),
    replace=(("[0-9]{4}-[0-9]{2}", "<date>"),),
    headers=("anthropic-beta", "user-agent"),
    rename_ids=True,
    preset=Preset.AGENT,
)


def post(
    body: bytes = b"",
    *,
    target: str = "/v1/messages",
    media_type: str = "application/json",
) -> Request:
    headers = (("Content-Type", media_type),)
    return Request(method="POST", target=target, headers=headers, body=body)


def ask(*messages: Json, **fields: Json) -> Request:
    return post(json.dumps({"messages": [*messages], **fields}).encode())


def asked(*headers: tuple[str, str]) -> Request:
    return Request(method="GET", target="/v1/models", headers=headers)


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
    """Write a JSON value in one of the many ways that mean the same."""
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
    sign, figures, exponent = value.as_tuple()
    # Arithmetic would round what is longer than 28 digits.
    digits = format(Decimal((sign, figures, int(exponent) - shift)), "f")
    plain = format(value, "f")
    return draw(st.sampled_from([plain, digits + mark.format(shift)]))


@st.composite
def characters(draw: DrawFn, char: str) -> str:
    units = char.encode("utf-16-be").hex()
    escaped = "".join(rf"\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    shortest = json.dumps(char, ensure_ascii=False)[1:-1]
    return draw(st.sampled_from([shortest, escaped, escaped.upper().replace("U", "u")]))


@st.composite
def encodings(draw: DrawFn, body: bytes) -> Request:
    """Send a body as it is or in one of the content codings that are read."""
    request = post(body)
    coding = draw(st.sampled_from(["identity", "gzip", "X-Gzip", "deflate"]))
    match coding:
        case "identity":
            return request
        case "deflate":
            body = zlib.compress(body)
        case _:
            body = gzip.compress(body)
    headers = (*request.headers, ("Content-Encoding", coding))
    encoded = Request(method="POST", target=request.target, headers=headers, body=body)
    return decode_body(encoded, limit_bytes=100_000)


def strict(value: Json) -> object:
    """Return a value whose equality is that of JSON: true isn't 1, but 1.0 is."""
    match value:
        case bool() | None | str():
            return (type(value), value)
        case int() | float():
            return Decimal(repr(value)) + 0
        case list():
            return [strict(item) for item in value]
        case dict():
            return {key: strict(member) for key, member in value.items()}


def strict_body(value: Json) -> object:
    """Return the same for a body, less what no rule can bring into the key."""
    if isinstance(value, dict):
        value = {key: value[key] for key in value if key != "metadata"}
        if value.get("stream") is False:
            del value["stream"]
    return strict(value)


@pytest.mark.parametrize("rules", [DEFAULT_RULES, EVERY_RULE], ids=["default", "every"])
@given(st.data(), json_values)
def test_a_body_in_any_spelling_has_the_same_key(
    rules: Rules, data: st.DataObject, value: Json
) -> None:
    one, other = (data.draw(spellings(value)).encode() for _ in range(2))

    assert request_key(post(one), rules) == request_key(
        data.draw(encodings(other)), rules
    )


# Every character of a long body is drawn.
@settings(max_examples=15)
@given(st.data(), json_values, st.dictionaries(st.text(max_size=3), st.integers()))
def test_messages_in_any_spelling_have_the_same_key_under_every_rule(
    data: st.DataObject, value: Json, more: dict[str, int]
) -> None:
    content: Json = [
        {"type": "tool_use", "id": "a", "input": {"tool_use_id": "b", "x": value}},
        {"type": "tool_result", "tool_use_id": "c", "content": [{"id": "d"}, value]},
    ]
    body: Json = {**more, "messages": [{"role": "user", "content": content}]}
    one, other = (data.draw(spellings(body)).encode() for _ in range(2))

    assert request_key(post(one), EVERY_RULE) == request_key(post(other), EVERY_RULE)


@given(json_values, json_values)
def test_bodies_of_equal_value_and_only_they_have_the_same_key(
    one: Json, other: Json
) -> None:
    keys = {request_key(post(json.dumps(value).encode())) for value in (one, other)}

    assert (len(keys) == 1) == (strict_body(one) == strict_body(other))


@given(
    st.data(),
    st.lists(st.sampled_from([0, 1, 1.5, True, False, None, "", "1", "0"]), max_size=3),
)
def test_values_that_are_alike_have_the_same_key_only_where_they_are_equal(
    data: st.DataObject, one: list[Json]
) -> None:
    alike: st.SearchStrategy[Json] = st.sampled_from(
        [0, -0.0, 1, 1.0, True, False, None, "", "1", [], {}]
    )
    other = data.draw(st.lists(alike, min_size=len(one), max_size=len(one)))
    keys = {request_key(ask(*messages)) for messages in (one, other)}

    assert (len(keys) == 1) == (strict(one) == strict(other))


@given(st.data(), st.lists(json_values, min_size=1, max_size=4), json_values)
def test_one_changed_item_changes_the_key(
    data: st.DataObject, items: list[Json], changed: Json
) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    others = [*items[:index], changed, *items[index + 1 :]]
    keys = {request_key(ask(*messages)) for messages in (items, others)}

    assert (len(keys) == 1) == (strict(items[index]) == strict(changed))


@given(json_values, json_values)
def test_metadata_is_not_in_the_key(one: Json, other: Json) -> None:
    assert request_key(ask(metadata=one)) == request_key(ask(metadata=other))


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
        pytest.param(rb'"\ud83d"', rb'"\uD83D"', id="half-a-surrogate-pair"),
        pytest.param(b'{"a":1,"a":2}', b'{"a":2}', id="last-of-duplicates"),
        pytest.param(b"\xef\xbb\xbf[]", b"[]", id="byte-order-mark"),
        pytest.param(b'{"a":1,"metadata":{"b":1}}', b'{"a":1}', id="metadata"),
        pytest.param(b'{"stream":false}', b"{}", id="no-stream-is-the-default"),
    ],
)
def test_these_bodies_are_the_same(one: bytes, other: bytes) -> None:
    assert request_key(post(one)) == request_key(post(other))


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
        pytest.param(b'{"stream":0}', b"{}", id="stream-zero"),
        pytest.param(b'{"stream":null}', b"{}", id="stream-null"),
        pytest.param(b'{"a":{"stream":false}}', b'{"a":{}}', id="inner-stream"),
        pytest.param(b'{"a":{"metadata":1}}', b'{"a":{}}', id="inner-metadata"),
        pytest.param(b'["metadata"]', b"[]", id="metadata-as-an-item"),
        pytest.param(b"9007199254740993", b"9007199254740992", id="big-integers"),
        pytest.param(b"1e400", b"1e401", id="beyond-doubles"),
        pytest.param(b'"\xff"', b'"\xfe"', id="not-utf-8"),
        pytest.param(b'"a', b'"a ', id="cut-short"),
        pytest.param(b"NaN", b"Infinity", id="no-json-numbers"),
        pytest.param(b"1" * 5000, b"1" * 4999 + b"2", id="endless-integers"),
        pytest.param(b"[" * 300, b"[" * 301, id="too-deep"),
        pytest.param(
            b'"\xed\xa0\xbd\xed\xb8\x80"', '"😀"'.encode(), id="surrogates-in-utf-8"
        ),
    ],
)
def test_these_bodies_differ(one: bytes, other: bytes) -> None:
    assert request_key(post(one)) != request_key(post(other))


def test_kinds_of_bodies_do_not_collide() -> None:
    text = post(b"[]", media_type="text/plain")
    quoted = post(b'"[]"')
    raw = post(b'"[]', media_type="text/plain")
    part = b'Content-Disposition: form-data; name="a"\r\n\r\nb'
    form = post(
        b"--x\r\n" + part + b"\r\n--x--",
        media_type="multipart/form-data; boundary=x",
    )
    like_form = post(json.dumps(match_input_of(form).body).encode())
    digest = post(b"\xff", media_type="text/plain")
    like_digest = post(json.dumps(match_input_of(digest).body).encode())

    requests = (text, quoted, raw, form, like_form, digest, like_digest)

    assert len({request_key(request) for request in requests}) == len(requests)
    assert match_input_of(form).body == match_input_of(like_form).body
    assert match_input_of(digest).body == match_input_of(like_digest).body


@pytest.mark.parametrize("rules", [DEFAULT_RULES, EVERY_RULE], ids=["default", "every"])
@pytest.mark.parametrize(
    "before", [b"", b'{"system":', b'{"messages":'], ids=["bare", "system", "messages"]
)
def test_a_key_does_not_depend_on_the_depth_of_the_stack(
    before: bytes, rules: Rules
) -> None:
    """A body is read alike in a shallow recorder and deep inside of a test."""
    levels = MAX_DEPTH - (1 if before else 0)
    body = before + b"[" * levels + b"]" * levels + (b"}" if before else b"")

    def key_at(depth: int) -> str:
        return key_at(depth - 1) if depth else request_key(post(body), rules)

    assert match_input_of(post(body), rules).kind is BodyKind.JSON
    assert key_at(300) == request_key(post(body), rules)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [DEFAULT_RULES, EVERY_RULE], ids=["default", "every"])
def test_a_body_of_20_mb_has_a_key(rules: Rules) -> None:
    messages: list[Json] = [{"role": "user", "content": "word " * 10_000}] * 400

    assert match_input_of(ask(*messages), rules).kind is BodyKind.JSON


# Method, path and query


@st.composite
def written_queries(draw: DrawFn, pairs: Query) -> str:
    """Write a query in any order, with all or none of a character percent-encoded."""
    shuffled = draw(st.permutations(pairs))
    return "&".join(
        "=".join(
            "".join(draw(query_bytes(byte)) for byte in side.encode()) for side in pair
        )
        for pair in shuffled
    )


@st.composite
def query_bytes(draw: DrawFn, byte: int) -> str:
    ways = [f"%{byte:02x}", f"%{byte:02X}"]
    if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-._~/[]:,!"):
        ways.append(chr(byte))
    if byte == ord(" "):
        ways.append("+")
    return draw(st.sampled_from(ways))


queries = st.lists(
    st.tuples(st.sampled_from(["a", "b", "beta", "a[]", "é", ""]), st.text(max_size=3)),
    max_size=4,
)


def seen_query(pairs: Query) -> Query:
    return sorted(pair for pair in pairs if pair[0] != "beta")


@given(st.data(), queries)
def test_a_query_in_any_spelling_has_the_same_key(
    data: st.DataObject, pairs: Query
) -> None:
    targets = [f"/v1/x?{data.draw(written_queries(pairs))}" for _ in range(2)]
    one, other = (post(target=target) for target in targets)

    assert request_key(one) == request_key(other)
    assert [*match_input_of(one).query] == seen_query(pairs)


@given(st.data(), queries, queries)
def test_queries_of_equal_values_and_only_they_have_the_same_key(
    data: st.DataObject, one: Query, other: Query
) -> None:
    keys = {
        request_key(post(target=f"/v1/x?{data.draw(written_queries(pairs))}"))
        for pairs in (one, other)
    }

    assert (len(keys) == 1) == (seen_query(one) == seen_query(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/v1/models?a=1&b=2", "/v1/models?b=2&a=1", id="order"),
        pytest.param("/v1/models?a=%2f%20x", "/v1/models?a=/+x", id="percent-encoding"),
        pytest.param("/v1/models?beta=true&a=1", "/v1/models?a=1", id="beta"),
        pytest.param("/v1/models?%62eta=1", "/v1/models", id="encoded-beta"),
        pytest.param("/v1/models?", "/v1/models", id="nothing-behind-the-mark"),
        pytest.param("/v1/models?a", "/v1/models?a=", id="no-equals-sign"),
    ],
)
def test_these_targets_are_the_same(one: str, other: str) -> None:
    assert request_key(post(target=one)) == request_key(post(target=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/v1/models", "/v1/messages", id="path"),
        pytest.param("/v1/models", "/v1/models/", id="slash"),
        pytest.param("/v1/models?a=1", "/v1/models?a=2", id="value"),
        pytest.param("/v1/models?a=", "/v1/models", id="empty-value"),
        pytest.param("/v1/models?a=1&a=1", "/v1/models?a=1", id="twice"),
        pytest.param("/v1/models?a=1%26b=2", "/v1/models?a=1&b=2", id="escaped-mark"),
        pytest.param("/v1/models?a=%ff", "/v1/models?a=%fe", id="not-utf-8"),
        pytest.param("/v1/models?betas=1", "/v1/models", id="not-beta"),
        pytest.param("/v1/models?a=1;b=2", "/v1/models?a=1&b=2", id="semicolon"),
    ],
)
def test_these_targets_differ(one: str, other: str) -> None:
    assert request_key(post(target=one)) != request_key(post(target=other))


def test_the_method_is_in_the_key() -> None:
    get = Request(method="GET", target="/v1/files")
    delete = Request(method="DELETE", target="/v1/files")

    assert request_key(get) != request_key(delete)


def test_the_key_never_changes() -> None:
    """Cassettes are named by it, so another key would orphan what is recorded."""
    request = post(b'{"model": "m", "stream": true}', target="/v1/messages?beta=true")

    assert request_key(request) == (
        "86c83ca0d865332164382173eb2c9ac61ea3117f5bffcf4e7107c0ed7cfba472"
    )


# Headers


def test_headers_are_in_the_key_only_where_the_rules_name_them() -> None:
    one, other = asked(("Anthropic-Version", "1")), asked(("anthropic-version", "2"))
    rules = Rules(headers=("Anthropic-VERSION",))

    assert request_key(one) == request_key(other)
    assert request_key(one, rules) != request_key(other, rules)
    assert request_key(one, rules) != request_key(asked(), rules)
    assert match_input_of(one, rules).headers == {"anthropic-version": "1"}
    assert match_input_of(asked(), rules).headers == {"anthropic-version": None}


@given(st.data(), st.sets(st.sampled_from(["a-1", "b-2", "c-3", "d"])))
def test_betas_are_a_set_in_any_number_of_headers(
    data: st.DataObject, betas: set[str]
) -> None:
    rules = Rules(headers=("anthropic-beta",))
    listed = data.draw(st.permutations([*betas, *betas]))
    cut = data.draw(st.integers(0, len(listed)))
    comma = data.draw(st.sampled_from([",", ", ", " ,,"]))
    request = asked(
        ("Anthropic-Beta", comma.join(listed[:cut])),
        ("accept", "x"),
        ("ANTHROPIC-BETA", comma.join(listed[cut:])),
    )

    assert match_input_of(request, rules).headers == {"anthropic-beta": sorted(betas)}
    assert request_key(request, rules) == request_key(
        asked(*(("anthropic-beta", beta) for beta in betas)), rules
    )


def test_a_beta_more_or_in_capitals_is_another_key() -> None:
    rules = Rules(headers=("anthropic-beta",))
    values = ["", "a", "A", "a,b", "a b", "ab"]
    keys = {request_key(asked(("anthropic-beta", value)), rules) for value in values}

    assert len(keys) == len(values)
