"""Batches and files through the real SDK: what lies beyond messages passes alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anthropic
import pytest
from anthropic.types.messages.batch_create_params import Request

import streamtape
from e2e.runs import read_library, run_thrice
from streamtape.testing import MODEL, FakeUpstream, default_answers

PUBLIC_API = "https://api.anthropic.com"


def open_client(base_url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=base_url, api_key="k", max_retries=0)


def run_batch(base_url: str) -> tuple[object, str | None, object]:
    """Create a batch, ask how it is, and fetch its results."""
    requests: list[Request] = [
        {
            "custom_id": name,
            "params": {
                "model": MODEL,
                "max_tokens": 10,
                "messages": [{"role": "user", "content": name}],
            },
        }
        for name in ("first", "second")
    ]
    with open_client(base_url) as client:
        created = client.messages.batches.create(requests=requests)
        batch = client.messages.batches.retrieve(created.id)
        results = list(client.messages.batches.results(created.id))
    return created, batch.results_url, results


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(None, id="where-the-upstream-is"),
        pytest.param(PUBLIC_API, id="the-public-api"),
    ],
)
def test_batch_results_are_fetched_through_the_proxy(
    origin: str | None, tmp_path: Path
) -> None:
    """The SDK follows the absolute URL in the batch; it has to lead to the proxy."""
    answers = partial(default_answers, results_origin=origin)
    with (
        FakeUpstream(answers) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        created, recorded_url, recorded = run_batch(recording.base_url)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        recreated, replayed_url, replayed = run_batch(replay.base_url)

    assert recorded
    assert (recreated, replayed) == (created, recorded)
    results = upstream.requests[-1].target
    assert results.endswith("/results")
    assert recorded_url == recording.base_url + results
    assert replayed_url == replay.base_url + results
    # The SDK looks at the batch once more before it fetches the results.
    assert replay.summary.counts == {"replayed": len(upstream.requests)}


def test_a_batch_is_recorded_with_the_url_that_the_upstream_gave(
    tmp_path: Path,
) -> None:
    answers = partial(default_answers, results_origin=PUBLIC_API)
    with (
        FakeUpstream(answers) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        run_batch(recording.base_url)

    bodies = b"".join(cassette.body for cassette in read_library(tmp_path))
    assert f'"results_url":"{PUBLIC_API}/v1/'.encode() in bodies
    assert recording.base_url.encode() not in bodies


def test_files_go_up_and_come_down_as_they_are(tmp_path: Path) -> None:
    """The boundary of a multipart body is another one in each run."""
    content = bytes(range(256)) * 4 + "Grüße".encode()

    def use(base_url: str) -> object:
        with open_client(base_url) as client:
            file = client.beta.files.upload(file=("a ü.bin", content, "image/png"))
            return file, client.beta.files.download(file.id).read()

    runs = run_thrice(use, None, tmp_path)

    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    upload, _ = runs.requests
    assert content in upload.body
    assert runs.counts == {"replayed": 2}


def test_another_file_is_another_request(tmp_path: Path) -> None:
    with (
        FakeUpstream() as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        open_client(recording.base_url) as client,
    ):
        client.beta.files.upload(file=("a.bin", b"one", "image/png"))
    with (
        streamtape.replay(tmp_path) as replay,
        open_client(replay.base_url) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.beta.files.upload(file=("a.bin", b"two", "image/png"))

    assert caught.value.status_code == 424
