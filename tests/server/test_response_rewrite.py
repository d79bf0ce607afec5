from __future__ import annotations

import pytest

from streamtape.server.response import find_rewrite

OWN_URL = "http://localhost:8484"
JSON = (("content-type", "application/json; charset=utf-8"),)
RESULTS = "/v1/messages/batches/msgbatch_1/results"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            f'{{"results_url":"https://api.anthropic.com{RESULTS}"}}',
            f'{{"results_url":"{OWN_URL}{RESULTS}"}}',
            id="a-batch",
        ),
        pytest.param(
            f'{{"results_url" : "http://up:1/api{RESULTS}?a=1" }}',
            f'{{"results_url" : "{OWN_URL}{RESULTS}?a=1" }}',
            id="spaces-prefix-and-query",
        ),
        pytest.param(
            f'[{{"results_url":"https://a{RESULTS}"}},{{"results_url":null}},'
            f'{{"results_url":"https://b{RESULTS}"}}]',
            f'[{{"results_url":"{OWN_URL}{RESULTS}"}},{{"results_url":null}},'
            f'{{"results_url":"{OWN_URL}{RESULTS}"}}]',
            id="a-list",
        ),
        pytest.param(
            f'{{"results_url":"https://up/api{RESULTS}?a=1"}}'.replace("/", r"\/"),
            f'{{"results_url":"{OWN_URL}' + f'{RESULTS}?a=1"}}'.replace("/", r"\/"),
            id="escaped-slashes",
        ),
        pytest.param(
            '{"results_url":"https://example.com/x"}',
            '{"results_url":"https://example.com/x"}',
            id="not-the-results",
        ),
        pytest.param(
            f'{{"other_url":"https://a{RESULTS}"}}',
            f'{{"other_url":"https://a{RESULTS}"}}',
            id="another-field",
        ),
    ],
)
def test_the_results_of_batches_are_found_here(body: str, expected: str) -> None:
    rewrite = find_rewrite("/v1/messages/batches", JSON, own_url=OWN_URL)

    assert rewrite is not None
    assert rewrite(body.encode()) == expected.encode()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/v1/messages", JSON, id="a-message"),
        pytest.param("/v1/messages/count_tokens", JSON, id="a-count"),
        pytest.param(
            RESULTS, (("content-type", "application/x-jsonl"),), id="the-results"
        ),
        pytest.param("/v1/messages/batches", (), id="no-content-type"),
    ],
)
def test_other_answers_are_sent_on_as_they_come(
    path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    assert find_rewrite(path, headers, own_url=OWN_URL) is None
