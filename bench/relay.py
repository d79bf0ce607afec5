"""The yardstick: what aiohttp costs when it only passes bytes on."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UPSTREAM = web.AppKey("UPSTREAM", str)
SESSION = web.AppKey("SESSION", ClientSession)
HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding"}


async def relay(request: web.Request) -> web.StreamResponse:
    url = request.app[UPSTREAM] + request.path_qs
    headers = [
        (k, v) for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP
    ]
    body = await request.read()
    session = request.app[SESSION]
    async with session.request(request.method, url, headers=headers, data=body) as got:
        response = web.StreamResponse(status=got.status, reason=got.reason)
        for name, value in got.headers.items():
            if name.lower() not in HOP_BY_HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in got.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    connector, timeout = TCPConnector(limit=0), ClientTimeout(total=None)
    async with ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as app[SESSION]:
        yield


if __name__ == "__main__":
    app = web.Application()
    app[UPSTREAM] = sys.argv[1]
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", relay)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(app, sock=listener, print=None, access_log=None)
