"""
Scenarios that fail: before the stream, in it, or in the connection.
"""

from __future__ import annotations

from dataclasses import replace

from streamtape.testing.answering import STORY, Scenario, answer, plain_text
from streamtape.testing.api_headers import ORGANIZATION_ID
from streamtape.testing.blocks import error_event, text
from streamtape.testing.profile import Write
from streamtape.testing.prompt import Prompt
from streamtape.testing.replies import (
    Reply,
    ReplyEnding,
    error_reply,
    events_reply,
)


def error_first_reply(prompt: Prompt) -> Reply:
    """
    Answer with a stream that is an error and nothing else.
    """
    if not prompt.is_stream:
        return overloaded_reply(prompt)
    return events_reply([error_event().raw], profile=prompt.profile)


def error_midway_reply(prompt: Prompt) -> Reply:
    """
    Answer with a stream that ends with an error within a block.
    """
    if not prompt.is_stream:
        return error_reply(500, "api_error", "Internal server error")
    return answer(prompt, text(STORY), error_event())


def overloaded_reply(_: Prompt) -> Reply:
    """
    Answer that the API is overloaded, to be asked again in a second.
    """
    return error_reply(
        529, "overloaded_error", "Overloaded", retry_after=1, should_retry=True
    )


def rate_limited_reply(_: Prompt) -> Reply:
    """
    Answer that the rate limit is reached; names the organization, as the API does.
    """
    message = (
        "This request would exceed your organization's rate limit of 50 requests "
        f"per minute (org: {ORGANIZATION_ID})."
    )
    return error_reply(
        429, "rate_limit_error", message, retry_after=2, should_retry=True
    )


def bad_request_reply(_: Prompt) -> Reply:
    """
    Answer that the request is wrong.
    """
    return error_reply(
        400, "invalid_request_error", "max_tokens: must be greater than 0"
    )


def too_large_reply(_: Prompt) -> Reply:
    """
    Answer that the request is too large.
    """
    return error_reply(
        413, "request_too_large", "Request exceeds the maximum allowed bytes."
    )


def needs_key_reply(prompt: Prompt) -> Reply:
    """
    Answer only if there is a key, whatever its value.
    """
    if prompt.has_key:
        return plain_text(prompt)
    return error_reply(401, "authentication_error", "x-api-key header is required")


def broken_reply(ending: ReplyEnding) -> Scenario:
    """
    Return a scenario whose answer stops midway through an event.
    """

    def scenario(prompt: Prompt) -> Reply:
        whole = plain_text(prompt)
        middle = len(whole.writes) // 2
        offset_ns, raw = whole.writes[middle]
        part = Write(offset_ns, raw[: len(raw) // 2])
        return replace(whole, writes=(*whole.writes[:middle], part), ending=ending)

    return scenario
