"""The key of a request as it came, and that of the redacted one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asking import RECORDED, post
from streamtape.core.matching.key import RequestKeys, match_input_of, request_key
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request
from streamtape.core.redaction.headers import CleanRequest, clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED

SECRET = "sk-ant-api03-" + "Zq7" * 30
HEADERS = (
    ("content-type", "application/json"),
    ("x-api-key", SECRET),
    ("user-agent", "claude-cli/1.0 (external, cli)"),
)
PLAIN = replace(post(RECORDED), headers=HEADERS)

RULES = [
    Rules(),
    Rules(headers=("user-agent",)),
    Rules(ignore=("system",), replace=((r"\d+", "N"),)),
    Rules(preset=Preset.AGENT_COARSE),
]


def clean(request: Request) -> CleanRequest:
    return clean_request(request, Secrets())


class Redactions:
    """Redacts, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def redact(self, request: Request) -> CleanRequest:
        self.count += 1
        return clean(request)


def saying(text: str, target: str = "/v1/messages") -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return replace(post(body, target), headers=HEADERS)


def test_the_first_key_is_had_without_a_redaction() -> None:
    redactions = Redactions()
    keys = RequestKeys(PLAIN, redactions.redact)

    assert next(iter(keys)) == request_key(clean(PLAIN))
    assert redactions.count == 0


def test_without_a_secret_there_is_one_key_and_one_match_input() -> None:
    """What is recorded needs the redacted request, which is then matched as it came."""
    redactions = Redactions()
    keys = RequestKeys(PLAIN, redactions.redact)

    assert list(keys) == [request_key(clean(PLAIN))]
    assert keys.input_redacted is keys.input_as_sent
    assert keys.redacted == clean(PLAIN)
    assert redactions.count == 1


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(saying(f"My key is {SECRET}."), id="body"),
        pytest.param(saying("Hi", f"/v1/messages?api_key={SECRET}"), id="query"),
        pytest.param(saying("Hi", f"/v1/files/{SECRET}"), id="path"),
    ],
)
def test_a_request_with_a_secret_is_found_by_its_second_key(request_: Request) -> None:
    keys = RequestKeys(request_, clean)

    first, second = keys

    assert first == request_key(request_)
    assert second == request_key(clean(request_))
    assert SECRET not in str(keys.input_redacted)


def test_a_header_that_is_cut_when_recorded_is_found_by_the_second_key() -> None:
    _, second = RequestKeys(PLAIN, clean, Rules(headers=("user-agent",)))

    assert second == request_key(clean(PLAIN), Rules(headers=("user-agent",)))


def resumed(event_id: str | None, method: str = "GET") -> Request:
    headers = () if event_id is None else (("Last-Event-ID", event_id),)
    return Request(method=method, target="/mcp", headers=headers)


def test_each_resume_of_a_stream_is_a_request_of_its_own() -> None:
    keys = [request_key(clean(resumed(event_id))) for event_id in (None, "7", "8")]

    assert len(set(keys)) == 3
    for event_id, key in zip((None, "7", "8"), keys, strict=True):
        lookup = RequestKeys(resumed(event_id), clean)
        assert list(lookup) == [key]
        assert lookup.is_of(clean(resumed(event_id)), key)
        assert not lookup.is_of(clean(resumed("9")), key)


def test_a_resume_in_an_older_cassette_has_the_key_that_it_had() -> None:
    """Nothing was kept of the header, and of other methods it means nothing."""
    assert request_key(resumed(REDACTED)) == request_key(resumed(None))
    assert request_key(resumed("7", "POST")) == request_key(resumed(None, "POST"))


def test_another_boundary_that_is_redacted_counts_as_another_request() -> None:
    """Parts are cut at the boundary, so a form is none once it has another one."""
    form = (("content-type", f"multipart/form-data; boundary={SECRET}"),)
    body = f"--{SECRET}\r\n\r\nHello\r\n--{SECRET}--".encode()
    request = Request(method="POST", target="/v1/files", headers=form, body=body)

    *_, last = RequestKeys(request, clean)

    assert last == request_key(clean(request))


texts = st.lists(
    st.sampled_from(
        [SECRET, REDACTED, "Bearer ", "17", " ", "token=", "Hello", "/home/ada"]
    )
    | st.text(max_size=4),
    max_size=4,
).map("".join)
requests = st.builds(
    saying,
    texts,
    st.sampled_from(["/v1/messages", f"/v1/messages?token={SECRET}&page=1"]),
)


@given(recorded=requests, asked=requests, rules=st.sampled_from(RULES))
@example(saying(SECRET), saying(REDACTED), RULES[0])
def test_a_hit_by_the_first_key_is_the_hit_of_the_redacted_request(
    recorded: Request, asked: Request, rules: Rules
) -> None:
    """The match inputs are equal then, and nothing in that of the request is secret."""
    cassette = match_input_of(clean(recorded), rules)
    keys = RequestKeys(asked, clean, rules)

    is_hit = keys.input_as_sent.key == cassette.key

    assert not is_hit or keys.input_as_sent == cassette
    assert not is_hit or keys.input_redacted == cassette
    assert (cassette.key in list(keys)) is (
        cassette.key in (request_key(clean(asked), rules), request_key(asked, rules))
    )


@given(asked=requests, rules=st.sampled_from(RULES))
def test_what_was_recorded_is_found_when_it_is_asked_for_again(
    asked: Request, rules: Rules
) -> None:
    key = request_key(clean(asked), rules)

    assert key in RequestKeys(asked, clean, rules)


def test_of_what_is_a_secret_in_one_request_alone_the_text_counts() -> None:
    """Another client's header made no secret of it when it was recorded."""
    word = "correct-horse-battery-staple"
    body = json.dumps({"prompt": word}).encode()
    asked = Request(
        method="POST", target="/", headers=(("x-api-key", word),), body=body
    )

    def redact(request: Request) -> Request:
        return replace(request, body=request.body.replace(word.encode(), b"[redacted]"))

    recorded = clean(Request(method="POST", target="/", body=body))
    keys = RequestKeys(asked, redact)

    assert next(iter(keys)) == request_key(recorded)
    assert list(keys) == [request_key(recorded), request_key(redact(asked))]
