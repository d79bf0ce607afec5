"""
The default script: which request of the API gets which answer.

A pure function of the request, so that a recording of it can be made again at any
time. Besides messages it knows the API's other resources.
"""

from __future__ import annotations

import hashlib
import re
from email import message_from_bytes
from email.message import Message
from typing import Final

from streamtape.testing.blocks import JsonObject, text
from streamtape.testing.profile import TYPICAL, Profile, Write
from streamtape.testing.prompt import SeenRequest, read_prompt
from streamtape.testing.replies import Reply, error_reply, json_reply, raw_reply
from streamtape.testing.scenarios import SCENARIOS, plain_text
from streamtape.testing.seeds import Dice, make_id
from streamtape.testing.streams import MODEL, message_json

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


_CREATED: Final = "2026-01-01T00:00:00Z"
_ENDED: Final = "2026-01-01T00:05:00Z"
_EXPIRES: Final = "2026-01-02T00:00:00Z"
_MODELS: Final = {
    MODEL: "Claude Demo",
    "claude-demo-large": "Claude Demo Large",
    "claude-demo-small": "Claude Demo Small",
}


def models_reply() -> Reply:
    """Return the list of models, in one page."""
    data = [_model(model_id) for model_id in _MODELS]
    return json_reply(
        {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
    )


def model_reply(model_id: str) -> Reply:
    """Return one model, or 404."""
    if model_id not in _MODELS:
        return error_reply(404, "not_found_error", f"model: {model_id}")
    return json_reply(_model(model_id))


def _model(model_id: str) -> JsonObject:
    return {
        "type": "model",
        "id": model_id,
        "display_name": _MODELS[model_id],
        "created_at": _CREATED,
        "lifecycle": "active",
    }


def new_batch_reply(seen: SeenRequest) -> Reply:
    """Return a batch that has just begun."""
    batch_id = make_id("msgbatch_01", _digest(seen.body))
    counts = {"processing": 2, "succeeded": 0}
    return json_reply(_batch(batch_id, "in_progress", counts, results_url=None))


def batch_reply(batch_id: str, origin: str) -> Reply:
    """Return a batch that has ended, with the absolute URL of its results."""
    url = f"{origin}/v1/messages/batches/{batch_id}/results"
    counts = {"processing": 0, "succeeded": 2}
    return json_reply(_batch(batch_id, "ended", counts, results_url=url))


def batch_results_reply(batch_id: str) -> Reply:
    """
    Return two results as JSON lines: ``first`` and ``second``, whatever was asked.
    """
    writes = []
    for name in ("first", "second"):
        message = message_json(
            text(f"Résumé of {name}."), id=make_id("msg_01", batch_id, name)
        )
        writes.append(Write(0, _result_line(name, message)))
    return raw_reply(writes, content_type="application/x-jsonl")


def _result_line(name: str, message: bytes) -> bytes:
    head = f'{{"custom_id":"{name}","result":{{"type":"succeeded","message":'
    return head.encode() + message + b"}}\n"


def _batch(
    batch_id: str, status: str, counts: JsonObject, *, results_url: str | None
) -> JsonObject:
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {**counts, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": _ENDED if status == "ended" else None,
        "created_at": _CREATED,
        "expires_at": _EXPIRES,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": results_url,
    }


def file_reply(seen: SeenRequest) -> Reply:
    """Return what the API says of an uploaded file, or 400 if there is none."""
    part = _file_part(seen)
    if part is None:
        return error_reply(400, "invalid_request_error", "file: Field required")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return json_reply(
        {
            "type": "file",
            "id": make_id("file_011C", _digest(content)),
            "filename": part.get_filename(),
            "mime_type": part.get_content_type(),
            "size_bytes": len(content),
            "created_at": _CREATED,
            "downloadable": True,
        }
    )


def file_content_reply(file_id: str) -> Reply:
    """Return a kilobyte that is no text in any encoding."""
    return raw_reply(
        Dice("file", file_id).octets(1024), content_type="application/octet-stream"
    )


def _file_part(seen: SeenRequest) -> Message | None:
    """Return the part of a multipart body that has a file name."""
    head = f"content-type: {seen.header('content-type')}\r\n\r\n".encode()
    for part in message_from_bytes(head + seen.body).walk():
        if part.get_filename():
            return part
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
