"""What a program's environment has to say so that its SDK asks a server of ours."""

from __future__ import annotations

import os
from typing import Final

DUMMY_KEY: Final = "streamtape-replays-without-a-key"

OWN_PATH: Final = "/_streamtape/"
"""What is below it is answered here, and begins the base URLs that hold a token."""


def environment(base_url: str, *, replays: bool) -> dict[str, str]:
    """
    Return the variables that lead a program's SDK to a server of ours.

    Args:
        replays: Whether no real key is needed; a dummy one then takes its place,
            because SDKs refuse to start without any.
    """
    listed = ",".join(os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    hosts = [*listed.split(","), "127.0.0.1", "localhost"]
    no_proxy = ",".join(dict.fromkeys(filter(None, map(str.strip, hosts))))
    env = {"ANTHROPIC_BASE_URL": base_url, "NO_PROXY": no_proxy, "no_proxy": no_proxy}
    if replays:
        env["ANTHROPIC_API_KEY"] = DUMMY_KEY
    return env
