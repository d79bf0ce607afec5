"""The names that aiohttp does not promise are there, and mean what they meant."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from streamtape.server.http.aiohttp_compat import (
    UntypedResponse,
    current_request,
    is_asked_nothing,
)
from streamtape.server.http.connections import Handler

_SERVER = Path(__file__).parents[3] / "src" / "streamtape" / "server"
_BASES = (web.RequestHandler, web.StreamResponse, web.Server, web.BaseRequest)


def _private_names(path: Path) -> set[str]:
    """The attributes in a module that begin with an underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    }


def test_no_other_module_uses_what_aiohttp_does_not_promise() -> None:
    promised_not = {
        name
        for base in _BASES
        for kind in base.__mro__
        for name in [*vars(kind), *getattr(kind, "__slots__", ())]
        if name.startswith("_") and not name.startswith("__")
    }
    own = _private_names(_SERVER / "http" / "aiohttp_compat.py")
    assert own == {"_waiter", "_messages", "_current_request", "_prepare_headers"}
    assert own <= promised_not

    for path in _SERVER.rglob("*.py"):
        if path.name != "aiohttp_compat.py":
            assert not _private_names(path) & own, path


def _client_of(handler: Handler) -> TestClient[web.BaseRequest, None]:
    return TestClient(RawTestServer(handler))


async def test_what_a_connection_is_at_can_be_told() -> None:
    seen: list[web.RequestHandler] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.protocol)
        assert current_request(request.protocol) is request
        return web.Response(text="done")

    async with _client_of(answer) as client:
        for _ in range(2):
            response = await client.get("/")
            assert await response.text() == "done"
            # A turn of the loop in which it comes to wait for the next one.
            await asyncio.sleep(0)
            assert current_request(seen[-1]) is None
            assert is_asked_nothing(seen[-1])


async def test_a_response_may_have_no_type() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = UntypedResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"{}")
        return response

    async with _client_of(answer) as client:
        response = await client.get("/")
        assert "Content-Type" not in response.headers
        assert await response.read() == b"{}"
