"""The agent SDK, which runs a Claude Code of its own."""

from __future__ import annotations

import asyncio

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ResultMessage,
    TextBlock,
    ToolUseBlock,
    query,
)
from telling import tell


async def ask(prompt: str) -> object:
    options = ClaudeAgentOptions(allowed_tools=["Bash"])
    said: list[object] = []
    ending: object = None
    async for message in query(prompt=prompt, options=options):
        match message:
            case AssistantMessage():
                for block in message.content:
                    match block:
                        case TextBlock():
                            said.append(block.text)
                        case ToolUseBlock():
                            said.append([block.name, block.input])
            case ResultMessage():
                if message.is_error:
                    raise RuntimeError(message.result)
                ending = [message.result, message.stop_reason, message.num_turns]
    return {"said": said, "ending": ending}


if __name__ == "__main__":
    tell({"query": lambda prompt: asyncio.run(ask(prompt))})
