"""The SDK for another provider's API."""

from __future__ import annotations

from openai import OpenAI
from telling import plain, tell


def stream(prompt: str) -> object:
    chunks = OpenAI().chat.completions.create(
        model="gpt-demo",
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return [plain(chunk) for chunk in chunks]


if __name__ == "__main__":
    tell({"stream": stream})
