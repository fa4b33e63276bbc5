"""A headless Chromium that a test drives over DevTools: no driver and no package besides `websockets`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

WITHIN_SECS = 30.0
_ADDRESS = re.compile(rb"DevTools listening on (ws://\S+)")


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page. Errors that it writes to its console, and exceptions that nobody caught, are kept in `complaints`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(WITHIN_SECS):
            return await answer

    async def attach(self) -> None:
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")

    async def listen(self) -> None:
        """Take what the browser says, until it is closed."""
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                answer = self._asked.pop(message["id"])
                if "error" in message:
                    answer.set_exception(RuntimeError(message["error"]["message"]))
                else:
                    answer.set_result(message["result"])
            else:
                self._happened(message["method"], message["params"])

    def _happened(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one)) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} ({params['entry'].get('url', '')})")

    async def go_to(self, url: str) -> None:
        self._loaded.clear()
        await self.ask("Page.navigate", url=url)
        async with asyncio.timeout(WITHIN_SECS):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """Run JavaScript as a person's doing would run it; what it gives is awaited."""
        done = await self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"]["exception"]["description"])
        return done["result"].get("value")

    async def until(self, condition: str, within_secs: float = WITHIN_SECS) -> None:
        """Wait until a JavaScript expression is true; it is looked at again whenever the page has drawn itself."""
        script = (
            "new Promise(resolve => { const look = () => "
            f"({condition}) ? resolve(true) : requestAnimationFrame(look); look(); }})"
        )
        async with asyncio.timeout(within_secs):
            await self.run(script)

    async def key(self, key: str, code: str, number: int, text: str = "") -> None:
        """Press a key and let it go."""
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **about)

    async def screenshot(self) -> bytes:
        """The page as it is seen, as a PNG."""
        shot = await self.ask("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def chromium(profile: Path, microphone: Path | None = None) -> AsyncIterator[Page]:
    """Run a browser with an empty profile whose microphone is a WAV file, played once from when it is first used."""
    path = chromium_path()
    assert path is not None
    arguments = [
        path,
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--no-sandbox",  # CI runs as root, where the sandbox cannot start
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--window-size=1280,800",
        "--mute-audio",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
    ]
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": str(profile)},
    )
    assert process.stderr is not None
    try:
        address = await _address(process.stderr)
        async with connect(address, max_size=None, compression=None, proxy=None) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen(), name="chromium")
            try:
                await page.attach()
                yield page
                await page.ask("Browser.close")
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    finally:
        if process.returncode is None:
            process.kill()
        await process.stderr.read()
        await process.wait()


async def _address(stderr: asyncio.StreamReader) -> str:
    async with asyncio.timeout(WITHIN_SECS):
        async for line in stderr:
            if found := _ADDRESS.search(line):
                return found.group(1).decode()
    raise RuntimeError("Chromium said nothing of DevTools")
