"""Instructor, which makes an object of an answer."""

from __future__ import annotations

import instructor
from anthropic import Anthropic
from pydantic import BaseModel
from telling import MODEL, plain, tell


class Place(BaseModel):
    """Where something is."""

    name: str
    population: int


def create(prompt: str) -> object:
    client = instructor.from_anthropic(Anthropic())
    place, message = client.messages.create_with_completion(
        model=MODEL,
        max_tokens=256,
        messages=[{"role": "user", "content": prompt}],
        response_model=Place,
    )
    return {"place": plain(place), "message": plain(message)}


if __name__ == "__main__":
    tell({"create": create})
