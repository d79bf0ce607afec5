"""
The default script: which request of the API gets which answer.

A pure function of the request, so that a recording of it can be made again at any
time. The other resources are in :mod:`streamtape.testing.resources`.
"""

from __future__ import annotations

import re

from streamtape.testing.answering import plain_text
from streamtape.testing.profile import TYPICAL, Profile
from streamtape.testing.prompt import read_prompt
from streamtape.testing.replies import Reply, error_reply, json_reply
from streamtape.testing.resources import (
    batch_reply,
    batch_results_reply,
    file_content_reply,
    file_reply,
    model_reply,
    models_reply,
    new_batch_reply,
)
from streamtape.testing.scenarios import SCENARIOS
from streamtape.testing.seen import SeenRequest

_NAME = re.compile(r"\[([a-z-]+)\]")


def default_answers(
    seen: SeenRequest, *, profile: Profile = TYPICAL, results_origin: str | None = None
) -> Reply:
    """
    Answer like the API; a prompt that contains ``[name]`` picks a scenario.

    The last text of the user counts, and the first name in it that is one of
    :data:`SCENARIOS`; without one the answer is a few sentences of text.

    Args:
        profile: The timing of streamed messages.
        results_origin: Where the results of batches are said to be, as in
            ``https://api.anthropic.com``; None for where the request went.
    """
    origin = results_origin or f"http://{seen.header('host') or ''}"
    match seen.method, seen.path.strip("/").split("/")[1:]:
        case "HEAD", _:
            return json_reply({})
        case "POST", ["messages"]:
            return _message_reply(seen, profile)
        case "POST", ["messages", "count_tokens"]:
            return _count_reply(seen)
        case "GET", ["models"]:
            return models_reply()
        case "GET", ["models", model_id]:
            return model_reply(model_id)
        case "POST", ["messages", "batches"]:
            return new_batch_reply(seen)
        case "GET", ["messages", "batches", batch_id]:
            return batch_reply(batch_id, origin)
        case "GET", ["messages", "batches", batch_id, "results"]:
            return batch_results_reply(batch_id)
        case "POST", ["files"]:
            return file_reply(seen)
        case "GET", ["files", file_id, "content"]:
            return file_content_reply(file_id)
        case _:
            return error_reply(404, "not_found_error", f"Not found: {seen.path}")


def _message_reply(seen: SeenRequest, profile: Profile) -> Reply:
    try:
        prompt = read_prompt(seen, profile)
    except ValueError as exc:
        return error_reply(400, "invalid_request_error", str(exc))
    if prompt.continues_thread:
        # Nothing is remembered; clients then send the whole history.
        return error_reply(
            404,
            "not_found_error",
            "The thread was not found.",
            details={"error_code": "thread_not_found"},
        )
    for name in _NAME.findall(prompt.text):
        if name in SCENARIOS:
            return SCENARIOS[name](prompt)
    return plain_text(prompt)


def _count_reply(seen: SeenRequest) -> Reply:
    try:
        prompt = read_prompt(seen)
    except ValueError as exc:
        return error_reply(400, "invalid_request_error", str(exc))
    return json_reply({"input_tokens": prompt.input_tokens})
