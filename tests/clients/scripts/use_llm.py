"""
The ``llm`` tool with its plugin for the API.
"""

from __future__ import annotations

import llm
from telling import tell


def ask(prompt: str, *, stream: bool) -> object:
    response = llm.get_model("claude-opus-4.5").prompt(prompt, stream=stream)
    text = "".join(response)
    usage = response.usage()
    return {"text": text, "input": usage.input, "output": usage.output}


if __name__ == "__main__":
    tell(
        {
            "stream": lambda prompt: ask(prompt, stream=True),
            "whole": lambda prompt: ask(prompt, stream=False),
        }
    )
