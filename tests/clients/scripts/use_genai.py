"""The SDK for a third provider's API."""

from __future__ import annotations

import os

from google import genai
from telling import tell


def stream(prompt: str) -> object:
    base_url = os.environ["GOOGLE_GEMINI_BASE_URL"]
    client = genai.Client(http_options={"base_url": base_url})
    chunks = client.models.generate_content_stream(model="gemini-demo", contents=prompt)
    return [
        {
            "text": chunk.text,
            "finish_reason": str(chunk.candidates[0].finish_reason),
            "tokens": chunk.usage_metadata and chunk.usage_metadata.total_token_count,
        }
        for chunk in chunks
    ]


if __name__ == "__main__":
    tell({"stream": stream})
