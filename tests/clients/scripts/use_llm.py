"""The ``llm`` tool with its plugin for the API."""

from __future__ import annotations

from typing import Final

import llm
from telling import tell

# The tool knows its models by name, and forgets old ones.
MODEL: Final = next(
    model.model_id for model in llm.get_models() if "claude" in model.model_id
)


def ask(prompt: str, *, stream: bool) -> object:
    response = llm.get_model(MODEL).prompt(prompt, stream=stream)
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
