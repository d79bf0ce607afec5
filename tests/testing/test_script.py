from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from anthropic import beta_tool

from streamtape.testing import (
    INSTANT,
    SCENARIOS,
    FakeUpstream,
    SeenRequest,
    default_answers,
)

if TYPE_CHECKING:
    from anthropic.types import Message

ANSWERED = [
    "text",
    "thinking",
    "redacted",
    "tool",
    "parallel-tools",
    "tool-loop",
    "server-tool",
    "large-event",
    "citations",
    "refusal",
    "needs-key",
    "unknown",
    "long",
]
TOOL: Any = {
    "name": "read_file",
    "description": "Read a file.",
    "input_schema": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
        "required": ["path"],
    },
}
OTHER_TOOL: Any = {"name": "run_tests", "input_schema": {"type": "object"}}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(profile=INSTANT) as running:
        yield running


@pytest.fixture
def client(upstream: FakeUpstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=upstream.url, api_key="k", max_retries=0
    ) as opened:
        yield opened


def ask(prompt: str) -> dict[str, Any]:
    return {
        "model": "claude-demo",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": prompt}],
    }


def streamed(client: anthropic.Anthropic, prompt: str) -> Message:
    with client.messages.stream(**ask(prompt)) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("name", ANSWERED)
def test_streamed_and_not_a_client_gets_the_same_message(
    client: anthropic.Anthropic, name: str
) -> None:
    prompt = f"Please [{name}], café."

    plain: Message = client.messages.create(**ask(prompt))

    # The SDK's types warn of the block that they don't know.
    assert streamed(client, prompt).to_dict(warnings=False) == plain.to_dict(
        warnings=False
    )


def test_every_scenario_that_answers_is_tested_above() -> None:
    failing = {
        "error-first",
        "error-midway",
        "overloaded",
        "rate-limited",
        "bad-request",
        "too-large",
        "cut",
        "reset",
        "eof",
        "stall",
    }

    assert failing | set(ANSWERED) == set(SCENARIOS)


@pytest.mark.parametrize(
    ("name", "kinds", "reason"),
    [
        pytest.param("text", ["text"], "end_turn", id="text"),
        pytest.param("thinking", ["thinking", "text"], "end_turn", id="thinking"),
        pytest.param(
            "redacted", ["redacted_thinking", "text"], "end_turn", id="redacted"
        ),
        pytest.param("tool", ["text", "tool_use"], "tool_use", id="tool"),
        pytest.param(
            "parallel-tools",
            ["text", "tool_use", "tool_use"],
            "tool_use",
            id="parallel",
        ),
        pytest.param("tool-loop", ["text"], "end_turn", id="tool-loop-without-tools"),
        pytest.param(
            "server-tool",
            ["text", "server_tool_use", "web_search_tool_result", "text"],
            "end_turn",
            id="server-tool",
        ),
        pytest.param("citations", ["text", "text", "text"], "end_turn", id="citations"),
        pytest.param("refusal", [], "refusal", id="refusal"),
        pytest.param("unknown", ["hologram", "text"], "end_turn", id="unknown"),
        pytest.param("no-such-name", ["text"], "end_turn", id="unnamed"),
    ],
)
def test_a_name_in_brackets_picks_the_scenario(
    client: anthropic.Anthropic, name: str, kinds: list[str], reason: str
) -> None:
    message = streamed(client, f"[{name}]")

    assert [block.type for block in message.content] == kinds
    assert message.stop_reason == reason


def test_a_plain_answer_mentions_the_prompt(client: anthropic.Anthropic) -> None:
    block = streamed(client, "Where is the “ferry”?").content[0]

    assert block.type == "text"
    assert "Where is the “ferry”?" in block.text


def test_a_refusal_says_why(client: anthropic.Anthropic) -> None:
    details = streamed(client, "[refusal]").stop_details

    assert details is not None
    assert details.type == "refusal"


def test_citations_point_into_the_text(client: anthropic.Anthropic) -> None:
    block = streamed(client, "[citations]").content[1]

    assert block.type == "text"
    assert block.citations is not None
    assert [one.cited_text for one in block.citations] == [
        "lamps were lit",
        "the gulls went up",
    ]


def test_a_large_event_is_one_event_of_300_kb() -> None:
    seen = SeenRequest(
        method="POST",
        target="/v1/messages",
        body=json.dumps({**ask("[large-event]"), "stream": True}).encode(),
    )

    sizes = [len(write.raw) for write in default_answers(seen, profile=INSTANT).writes]

    assert max(sizes) > 300_000


@pytest.mark.parametrize(
    ("name", "error", "status", "retry_after"),
    [
        pytest.param("overloaded", anthropic.InternalServerError, 529, "1", id="529"),
        pytest.param("rate-limited", anthropic.RateLimitError, 429, "2", id="429"),
        pytest.param("bad-request", anthropic.BadRequestError, 400, None, id="400"),
        pytest.param("too-large", anthropic.APIStatusError, 413, None, id="413"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_an_error_before_the_stream_is_an_http_status(
    client: anthropic.Anthropic,
    name: str,
    error: type[anthropic.APIStatusError],
    status: int,
    retry_after: str | None,
    is_stream: bool,
) -> None:
    with pytest.raises(error) as caught:
        client.messages.create(**ask(f"[{name}]"), stream=is_stream)

    assert caught.value.status_code == status
    assert caught.value.response.headers.get("retry-after") == retry_after
    assert caught.value.request_id == caught.value.response.json()["request_id"]


@pytest.mark.parametrize("name", ["error-first", "error-midway"])
def test_an_error_within_the_stream_comes_with_status_200(
    client: anthropic.Anthropic, name: str
) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        streamed(client, f"[{name}]")

    assert type(caught.value) is anthropic.APIStatusError
    assert caught.value.status_code == 200
    assert caught.value.type == "overloaded_error"


@pytest.mark.parametrize("name", ["error-first", "error-midway"])
def test_without_streaming_these_errors_are_a_status(
    client: anthropic.Anthropic, name: str
) -> None:
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**ask(f"[{name}]"))


@pytest.mark.parametrize("name", ["cut", "reset"])
def test_a_broken_connection_reaches_the_client_as_such(
    client: anthropic.Anthropic, name: str
) -> None:
    """The SDK passes on what its HTTP library raises."""
    with pytest.raises(Exception, match=r"peer closed|reset by peer"):
        streamed(client, f"[{name}]")


def test_a_stream_that_ends_too_early_looks_like_a_short_message(
    client: anthropic.Anthropic,
) -> None:
    message = streamed(client, "[eof]")

    assert message.stop_reason is None
    assert message.content[0].type == "text"


def test_a_key_is_asked_for_only_by_name(upstream: FakeUpstream) -> None:
    def status(prompt: str, headers: dict[str, str]) -> int:
        body = json.dumps(ask(prompt)).encode()
        connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
        try:
            connection.request("POST", "/v1/messages", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert status("[needs-key]", {}) == 401
    assert status("[needs-key]", {"X-Api-Key": "k"}) == 200
    assert status("[needs-key]", {"Authorization": "Bearer k"}) == 200
    assert status("Hello", {}) == 200


def test_a_tool_loop_takes_three_turns(client: anthropic.Anthropic) -> None:
    """The calls fit the tool's schema; the last turn tells what the tool said."""
    messages: list[Any] = [{"role": "user", "content": "[tool-loop] Fix the bug"}]
    said, called = [], []
    for turn in range(3):
        with client.messages.stream(
            model="m", max_tokens=100, messages=messages, tools=[TOOL, OTHER_TOOL]
        ) as stream:
            message = stream.get_final_message()
        said.append(message.stop_reason)
        messages.append({"role": "assistant", "content": message.content})
        for block in message.content:
            if block.type == "tool_use":
                called.append((block.name, block.input))
                result = {
                    "type": "tool_result",
                    "tool_use_id": block.id,
                    "content": f"line {turn}",
                }
                messages.append({"role": "user", "content": [result]})

    assert said == ["tool_use", "tool_use", "end_turn"]
    assert called == [("read_file", {"path": "Zürich"}), ("run_tests", {})]
    assert message.content[0].type == "text"
    assert "line 1" in message.content[0].text


@pytest.mark.parametrize("thread", [None, False], ids=["threads", "no-threads"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_the_sdks_tool_runner_gets_to_the_end(
    client: anthropic.Anthropic, thread: bool | None, is_stream: bool
) -> None:
    paths: list[str] = []

    @beta_tool
    def read_file(path: str) -> str:
        """Read a file."""
        paths.append(path)
        return f"content {len(paths)}"

    options: dict[str, Any] = {} if thread is None else {"thread": thread}
    runner: Any = client.beta.messages.tool_runner(
        model="m",
        max_tokens=100,
        messages=[{"role": "user", "content": "[tool-loop]"}],
        tools=[read_file],
        stream=is_stream,
        **options,
    )
    final = runner.until_done()

    assert paths == ["Zürich", "Zürich"]
    assert "content 2" in final.content[0].text


@pytest.mark.parametrize("name", ["tool", "parallel-tools"])
def test_calls_are_followed_by_what_the_tools_said(
    client: anthropic.Anthropic, name: str
) -> None:
    asked = streamed(client, f"[{name}]")
    results: Any = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"said {number}"}
        for number, block in enumerate(asked.content)
        if block.type == "tool_use"
    ]
    messages: Any = [
        {"role": "user", "content": f"[{name}]"},
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": results},
    ]

    told = client.messages.create(model="m", max_tokens=100, messages=messages)

    assert told.stop_reason == "end_turn"
    assert told.content[0].type == "text"
    assert all(result["content"] in told.content[0].text for result in results)


def test_the_arguments_of_a_call_fit_its_schema(client: anthropic.Anthropic) -> None:
    properties = {
        "text": {"type": "string"},
        "choice": {"enum": ["b", "a"]},
        "count": {"type": "integer"},
        "flag": {"type": "boolean"},
        "none": {"type": "null"},
        "list": {"type": "array", "items": {"type": "number"}},
        "nested": {
            "type": "object",
            "properties": {"deep": {"type": "string"}},
            "required": ["deep"],
        },
        "optional": {"type": "string"},
    }
    required = [name for name in properties if name != "optional"]
    schema = {"type": "object", "properties": properties, "required": required}
    tools: Any = [{"name": "all", "input_schema": schema}]

    message = client.messages.create(**ask("[tool]"), tools=tools)

    assert message.content[1].type == "tool_use"
    assert message.content[1].input == {
        "text": "Zürich",
        "choice": "b",
        "count": 3,
        "flag": True,
        "none": None,
        "list": [3],
        "nested": {"deep": "Zürich"},
    }


def test_tokens_are_counted(client: anthropic.Anthropic) -> None:
    def count(prompt: str) -> int:
        messages: Any = ask(prompt)["messages"]
        return client.messages.count_tokens(model="m", messages=messages).input_tokens

    assert 0 < count("short") < count("much longer than that " * 10)


def test_models_are_listed_and_found(client: anthropic.Anthropic) -> None:
    listed = list(client.models.list())

    assert len(listed) == 3
    assert client.models.retrieve(listed[0].id) == listed[0]
    with pytest.raises(anthropic.NotFoundError, match="no-such-model"):
        client.models.retrieve("no-such-model")


def test_a_batch_leads_to_its_results(
    upstream: FakeUpstream, client: anthropic.Anthropic
) -> None:
    """The SDK follows the absolute URL in the batch, which is the upstream's own."""
    params: Any = ask("Hello")
    begun = client.messages.batches.create(
        requests=[{"custom_id": "first", "params": params}]
    )
    ended = client.messages.batches.retrieve(begun.id)
    results = list(client.messages.batches.results(begun.id))

    assert (begun.processing_status, begun.results_url) == ("in_progress", None)
    assert ended.processing_status == "ended"
    assert ended.results_url is not None
    assert ended.results_url.startswith(f"{upstream.url}/v1/messages/batches/")
    assert [result.custom_id for result in results] == ["first", "second"]
    assert results[0].result.type == "succeeded"


def test_results_can_be_said_to_be_elsewhere() -> None:
    seen = SeenRequest(method="GET", target="/v1/messages/batches/msgbatch_1")

    reply = default_answers(seen, results_origin="https://api.anthropic.com")

    assert json.loads(reply.body)["results_url"] == (
        "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
    )


def test_a_file_goes_up_and_comes_down(client: anthropic.Anthropic) -> None:
    sent = bytes(range(256)) + b"\r\n--x\r\n"
    file = client.beta.files.upload(file=("a b.bin", sent, "application/x-thing"))
    content = client.beta.files.download(file.id).read()

    assert (file.filename, file.mime_type) == ("a b.bin", "application/x-thing")
    assert file.size_bytes == len(sent)
    assert len(content) == 1024
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    assert client.beta.files.download(file.id).read() == content


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        pytest.param("GET", "/v1/nothing", b"", 404, id="unknown-path"),
        pytest.param("DELETE", "/v1/messages", b"", 404, id="unknown-method"),
        pytest.param("HEAD", "/", b"", 200, id="head"),
        pytest.param("POST", "/v1/messages", b"{", 400, id="not-json"),
        pytest.param("POST", "/v1/messages", b"{}", 400, id="no-messages"),
        pytest.param("POST", "/v1/messages/count_tokens", b"[]", 400, id="count"),
        pytest.param("POST", "/v1/files", b"", 400, id="no-file"),
    ],
)
def test_other_requests_get_what_the_api_says(
    method: str, target: str, body: bytes, status: int
) -> None:
    reply = default_answers(SeenRequest(method=method, target=target, body=body))

    assert reply.status == status
    assert status == 200 or json.loads(reply.body)["type"] == "error"


def test_the_query_does_not_matter() -> None:
    seen = SeenRequest(method="GET", target="/v1/models?beta=true")

    assert default_answers(seen).status == 200
