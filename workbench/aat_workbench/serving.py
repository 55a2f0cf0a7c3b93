"""The app in a browser: textual-serve behind a random path, for this machine alone unless told otherwise.

textual-serve asks nobody who they are. Here every address begins with a token that only the printed URL tells, a page of
another site cannot reach the app through a visitor's browser (Origin), nor through a name that it points at this machine
(Host), and the page loads nothing from elsewhere. Each tab is a process of its own; trainings live outside of it.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aat_datasets.errors import InputError
from aat_workbench.detached import child_environment

__all__ = ["is_loopback", "serve"]

_TOKEN_BYTES = 24
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches ``address``."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def serve(
    address: str = "127.0.0.1",
    port: int = 0,
    *,
    command: Sequence[str] = (),
    told: Callable[[str], None] = print,
) -> None:
    """Serve the app until Ctrl-C or SIGTERM.

    Args:
        address: of the interface to listen on.
        port: 0: one that is free.
        command: the app's command line; by default this Python's own.
        told: called with the URL once it can be opened.

    Raises InputError where textual-serve is missing or the address cannot be listened on.
    """
    if importlib.util.find_spec("textual_serve") is None:
        raise InputError("serving needs textual-serve", "pip install 'aat-workbench[serve]'")
    line = shlex.join(command or [sys.executable, "-m", "aat_workbench.cli.start"])
    listening = _listen(address, port)
    asyncio.run(_run(listening, line, told))


def _listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
    except OSError as error:
        raise InputError(
            f"cannot listen on {address}:{port}: {error.strerror or error}", "--port takes another"
        ) from None
    return found


async def _run(listening: socket.socket, command: str, told: Callable[[str], None]) -> None:
    from aiohttp import web

    os.environ.update(child_environment())  # the tabs' processes inherit this one's
    address, port = listening.getsockname()[:2]
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    runner = web.AppRunner(await _application(command, token, str(address), int(port)), handle_signals=False)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        told(f"http://{_host(str(address), int(port))}/{token}/")
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        await over.wait()
    finally:
        await runner.cleanup()


def _host(address: str, port: int) -> str:
    """What a browser on this machine would ask for."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(address, address)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


async def _application(command: str, token: str, address: str, port: int) -> Any:
    """textual-serve's application under ``/TOKEN/``; every other path is not found."""
    from aiohttp import web
    from textual_serve.server import Server

    class _Server(Server):
        async def on_startup(self, app: Any) -> None:
            """Nothing is printed: the URL is told by others."""

        async def handle_index(self, request: Any) -> Any:
            self.public_url = f"{request.scheme}://{request.host}"
            return await super().handle_index(request)

    names = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")} if is_loopback(address) else set[str]()

    @web.middleware
    async def guarded(request: Any, handler: Any) -> Any:
        origin = request.headers.get("Origin")
        if names and request.host not in names:
            raise web.HTTPForbidden(text="this address is not served")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise web.HTTPForbidden(text="pages of other sites may not come here")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    inner = await _Server(command, title="aat-workbench")._make_app()  # pyright: ignore[reportPrivateUsage]
    outer = web.Application(middlewares=[guarded])
    outer.add_subapp(f"/{token}", inner)
    return outer
