"""The environment for what is run as somebody else would run it."""

from __future__ import annotations

import os


def plain_environment() -> dict[str, str]:
    """Return the environment without what says where streamtape, Python or make is."""
    left_out = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith(("STREAMTAPE_", "ANTHROPIC_"))
    }
