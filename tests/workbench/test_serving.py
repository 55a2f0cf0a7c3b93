"""The app in a browser: behind its token only, for its own page only, and drawn by a real one where there is one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyte
import pytest

from aat_workbench.detached import child_environment

aiohttp = pytest.importorskip("aiohttp", reason="the extra serve is not installed")
pytest.importorskip("textual_serve", reason="the extra serve is not installed")

SIZE = (120, 40)
SECONDS = 60
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of a server of its own."""
    environment = {
        **child_environment(tmp_path / "runs"),
        "AAT_DATA": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    command = [sys.executable, "-m", "aat_workbench.cli.main", "serve", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


class Screen:
    """What the bytes sent to a browser draw."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(200, 60)  # larger than what is drawn: nothing wraps
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    def shows(self, text: str) -> bool:
        return text in "\n".join(self.screen.display)


async def wait_for(seen: Callable[[], bool], step: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while not seen():
            await step()


async def test_a_tab_is_an_app_and_nobody_else_gets_in(url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1" and len(parts.path) > 30
    async with aiohttp.ClientSession() as client:

        async def status(address: str, **headers: str) -> int:
            async with client.get(address, headers=headers) as answer:
                assert "googleapis" not in answer.headers.get("Content-Security-Policy", "")
                return answer.status

        assert await status(url) == 200
        assert await status(f"http://{parts.netloc}/") == 404
        assert await status(f"http://{parts.netloc}/ws") == 404
        assert await status(f"http://{parts.netloc}/{'x' * 32}/") == 404
        assert await status(url, Host=f"evil.example:{parts.port}") == 403
        assert await status(url, Origin="http://evil.example") == 403
        assert await status(url, Origin=f"http://{parts.netloc}") == 200
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.ws_connect(f"{url}ws", headers={"Origin": "http://evil.example"})

        screen = Screen()
        async with client.ws_connect(f"{url}ws?width={SIZE[0]}&height={SIZE[1]}", max_msg_size=0) as socket:

            async def step() -> None:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    screen.feed(message.data)

            await wait_for(lambda: screen.shows("Datasets"), step)
            await socket.send_json(["stdin", "3"])
            await wait_for(lambda: screen.shows("l stored results"), step)


@contextlib.asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Any]:
    """A headless browser's first page, over its debugging protocol."""
    assert CHROMIUM is not None
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
        "--window-size=1200,800", f"--user-data-dir={profile}",
    ]  # fmt: skip
    browser = subprocess.Popen(
        [CHROMIUM, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        port_file = profile / "DevToolsActivePort"
        await wait_for(
            lambda: port_file.is_file() and len(port_file.read_text().split()) == 2, lambda: asyncio.sleep(0.1)
        )
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            async with client.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield socket
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


@pytest.mark.slow  # beside other tests a browser may take a minute to begin
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
async def test_a_real_browser_draws_it_takes_keys_and_asks_nobody_else(url: str, tmp_path: Path) -> None:
    screen = Screen()
    asked: dict[str, str] = {}
    blocked: set[str] = set()
    results: dict[int, Any] = {}
    async with chromium(tmp_path / "profile") as page:
        number = 0

        async def call(method: str, **params: Any) -> int:
            nonlocal number
            number += 1
            await page.send_json({"id": number, "method": method, "params": params})
            return number

        async def step() -> None:
            message = json.loads((await page.receive()).data)
            params = message.get("params", {})
            if "id" in message:
                results[message["id"]] = message.get("result")
            elif message["method"] == "Network.webSocketFrameReceived":
                if params["response"]["opcode"] == 2:
                    screen.feed(base64.b64decode(params["response"]["payloadData"]))
            elif message["method"] == "Network.requestWillBeSent":
                asked[params["requestId"]] = params["request"]["url"]
            elif message["method"] == "Network.loadingFailed" and params.get("blockedReason") == "csp":
                blocked.add(params["requestId"])

        await call("Network.enable")
        await call("Page.enable")
        await call("Page.navigate", url=url)
        await wait_for(lambda: screen.shows("Datasets"), step)
        await call("Emulation.setFocusEmulationEnabled", enabled=True)  # a terminal without the focus takes no keys
        focused = await call("Runtime.evaluate", expression="document.querySelector('textarea').focus()")
        await wait_for(lambda: focused in results, step)
        key = {"key": "3", "code": "Digit3", "windowsVirtualKeyCode": 51}
        await call("Input.dispatchKeyEvent", type="keyDown", text="3", **key)
        await call("Input.dispatchKeyEvent", type="keyUp", **key)
        await wait_for(lambda: screen.shows("stored results"), step)
        picture = await call("Page.captureScreenshot", format="png")
        await wait_for(lambda: picture in results, step)
        assert len(base64.b64decode(results[picture]["data"])) > 10_000  # a blank page of that size takes less
    own = urlsplit(url).netloc
    elsewhere = {where for id, where in asked.items() if id not in blocked and not where.startswith("data:")}
    assert {urlsplit(where).netloc for where in elsewhere} == {own}
