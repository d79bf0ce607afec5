"""The clients: where each comes from, and the ways in which it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Packages that are installed together, at their newest versions."""

    name: str
    packages: tuple[str, ...] = ()
    """As pip or npm take them; none for a client that is there already."""
    is_node: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client, which is a script of ours that uses it."""

    name: str
    kit: Kit
    script: str
    uses: tuple[tuple[str, str], ...]
    """Ways that the script knows, each with a prompt; the first is used for a miss."""
    is_agent: bool = False
    """Whether it tells the model about folder, home and day."""


_SDKS: Final = Kit(
    name="sdks",
    packages=(
        "anthropic[aiohttp]",
        "langchain-anthropic",
        "openai",
        "google-genai",
    ),
)
# Each of these asks for versions of an SDK that the others don't take.
_LITELLM: Final = Kit(name="litellm", packages=("litellm",))
_PYDANTIC: Final = Kit(name="pydantic-ai", packages=("pydantic-ai-slim[anthropic]",))
_INSTRUCTOR: Final = Kit(name="instructor", packages=("instructor[anthropic]",))
_LLM: Final = Kit(name="llm", packages=("llm", "llm-anthropic"))
_AGENT_SDK: Final = Kit(name="agent-sdk", packages=("claude-agent-sdk",))
_NODE: Final = Kit(
    name="node",
    packages=("@anthropic-ai/sdk", "ai", "@ai-sdk/anthropic"),
    is_node=True,
)
# It brings its own runtime, so the version of node doesn't decide which is newest.
_CLAUDE_CODE: Final = Kit(
    name="claude-code", packages=("@anthropic-ai/claude-code@latest",), is_node=True
)
# This one asks for HEAD first and tells of the machine in other places.
_OLDER_CLAUDE_CODE: Final = Kit(
    name="claude-code-2.1.197",
    packages=("@anthropic-ai/claude-code@2.1.197",),
    is_node=True,
)

_AGENT_USES: Final = (
    ("plain", "hello"),
    ("tools", "[bash] hello"),
    ("continue", "hello"),
)

CLIENTS: Final = (
    Client(
        name="anthropic-python",
        kit=_SDKS,
        script="use_anthropic.py",
        uses=(
            ("create", "hello"),
            ("stream", "[thinking] hello"),
            ("tools", "[tool-loop] hello"),
            ("create-async", "hello"),
            ("stream-async", "hello"),
            ("create-aiohttp", "hello"),
            ("stream-aiohttp", "hello"),
            ("stream", "[bad-request] hello"),
            ("stream", "[error-midway] hello"),
        ),
    ),
    Client(
        name="anthropic-node",
        kit=_NODE,
        script="use_anthropic.mjs",
        uses=(
            ("create", "hello"),
            ("stream", "[tool] hello"),
            ("stream", "[bad-request] hello"),
            ("stream", "[error-midway] hello"),
        ),
    ),
    Client(
        name="claude-code",
        kit=_CLAUDE_CODE,
        script="use_claude_code.mjs",
        uses=_AGENT_USES,
        is_agent=True,
    ),
    Client(
        name="claude-code-2.1.197",
        kit=_OLDER_CLAUDE_CODE,
        script="use_claude_code.mjs",
        uses=_AGENT_USES,
        is_agent=True,
    ),
    Client(
        name="claude-agent-sdk",
        kit=_AGENT_SDK,
        script="use_agent_sdk.py",
        uses=(("query", "hello"), ("query", "[bash] hello")),
        is_agent=True,
    ),
    Client(
        name="langchain",
        kit=_SDKS,
        script="use_langchain.py",
        uses=(("invoke", "hello"), ("stream", "[tool] hello")),
    ),
    Client(
        name="litellm",
        kit=_LITELLM,
        script="use_litellm.py",
        uses=(("create", "hello"), ("stream", "hello")),
    ),
    Client(
        name="pydantic-ai",
        kit=_PYDANTIC,
        script="use_pydantic_ai.py",
        uses=(("run", "[tool-loop] hello"), ("stream", "hello")),
    ),
    Client(
        name="ai-sdk",
        kit=_NODE,
        script="use_ai_sdk.mjs",
        uses=(
            ("generate", "hello"),
            ("stream", "hello"),
            ("tools", "[tool-loop] hello"),
        ),
    ),
    Client(
        name="instructor",
        kit=_INSTRUCTOR,
        script="use_instructor.py",
        uses=(("create", "[tool] hello"),),
    ),
    Client(
        name="llm",
        kit=_LLM,
        script="use_llm.py",
        uses=(("stream", "hello"), ("whole", "hello")),
    ),
    Client(
        name="curl",
        kit=Kit(name="curl"),
        script="use_curl.py",
        uses=(("chunked", "hello"), ("expect", "hello"), ("http1.0", "hello")),
    ),
    Client(
        name="openai",
        kit=_SDKS,
        script="use_openai.py",
        uses=(("stream", "hello"),),
    ),
    Client(
        name="google-genai",
        kit=_SDKS,
        script="use_genai.py",
        uses=(("stream", "hello"),),
    ),
)

AGENTS: Final = tuple(client for client in CLIENTS if client.is_agent)
