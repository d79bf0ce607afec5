from __future__ import annotations

import pytest

from asking import RECORDED, post
from streamtape.core.matching.key import match_input_of, request_key
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request
from streamtape.errors import UsageError

MARK = {"type": "ephemeral"}


def test_what_is_ignored_makes_no_difference_to_the_key() -> None:
    rules = Rules(ignore=("messages[*].content[*].cache_control", "temperature"))
    content = [{"type": "text", "text": "a"}]
    marked = [{**content[0], "cache_control": MARK}]
    one = post({"messages": [{"role": "user", "content": content}]})
    other = post({"messages": [{"role": "user", "content": marked}], "temperature": 1})
    third = post({"messages": [{"role": "user", "content": marked}], "top_k": 1})

    assert request_key(one) != request_key(other)
    assert request_key(one, rules) == request_key(other, rules)
    assert request_key(one, rules) != request_key(third, rules)


def test_the_body_that_was_sent_stays_as_it_was() -> None:
    request = post(RECORDED)
    match_input_of(
        request, Rules(ignore=("$..*",), replace=((".", "x"),), rename_ids=True)
    )

    assert request == post(RECORDED)


def test_a_parameter_of_the_query_can_be_ignored() -> None:
    rules = Rules(ignore=("?limit", "?a[]"))
    bare = post({}, "/v1/models?b=1")

    for query in ("b=1&limit=3", "limit=&limit=4&b=1", "a%5B%5D=1&b=1&l%69mit=2"):
        assert request_key(post({}, f"/v1/models?{query}"), rules) == request_key(
            bare, rules
        )
    for query in ("b=2&limit=3", "b=1&limits=1", "b=1&a=1"):
        assert request_key(post({}, f"/v1/models?{query}"), rules) != request_key(
            bare, rules
        )


def test_texts_are_replaced_in_body_query_and_headers_but_not_in_the_path() -> None:
    rules = Rules(replace=(("[0-9]+", "#"),), headers=("user-agent",))
    request = Request(
        method="POST",
        target="/v1/files/17?after=2026&after=5",
        headers=(("user-agent", "app/12"),),
        body=b'{"7": ["day 31", {"a": "1 and 2"}], "b": 5}',
    )

    match_input = match_input_of(request, rules)

    assert match_input.path == "/v1/files/17"
    assert match_input.query == (("after", "#"), ("after", "#"))
    assert match_input.headers == {"user-agent": "app/#"}
    assert match_input.body == {"7": ["day #", {"a": "# and #"}], "b": 5}


def test_requests_that_differ_elsewhere_keep_different_keys() -> None:
    rules = Rules(replace=((r"\d{4}-\d\d-\d\d", "<day>"),))
    texts = ["on 2026-11-22", "on 2027-01-01", "on 2026-11", "by 2026-11-22"]
    keys = [request_key(post({"a": text}), rules) for text in texts]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_rules_are_equal_whoever_tells_the_time() -> None:
    assert Rules(cpu_ns=lambda: 0) == Rules()
    assert hash(Rules(cpu_ns=lambda: 0)) == hash(Rules())


@pytest.mark.parametrize("name", ["x-api-key", "Authorization", "", "host", "cookie"])
def test_a_header_that_is_not_kept_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rules(headers=("accept", name))

    assert f"headers: the value of {name!r} is not kept" in str(caught.value)
    assert "anthropic-beta, anthropic-version" in str(caught.value)
