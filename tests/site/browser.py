"""A headless browser, told what to do over its DevTools protocol; no driver is needed.

Rule 1: it talks to a server on this machine only, which `serve` starts.
Rule 2: what the console says is an error, and every request that fails, is kept in `errors`.
"""

import asyncio
import base64
import functools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from tornado.websocket import websocket_connect

COMMAND = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
SECONDS = 30.0  # for one answer


class _Quiet(SimpleHTTPRequestHandler):
    """A handler that does not write a line per request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Browser:
    """One page of a running browser."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket) -> None:
        self.loop, self.socket, self.number, self.errors, self.events = loop, socket, 0, [], []

    def call(self, method: str, **params) -> dict:
        """Ask for something and return the answer."""
        return self.loop.run_until_complete(asyncio.wait_for(self._call(method, params), SECONDS))

    def evaluate(self, expression: str):
        """Return the value of an expression of JavaScript, awaited where it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Load a page, to the end."""
        self.errors, self.events = [], []
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, (address, answer)
        if "loaderId" not in answer:  # another place on the same page
            return
        self.loop.run_until_complete(asyncio.wait_for(self._loaded(), SECONDS))

    def resize(self, width: int, height: int = 900) -> None:
        """Make the screen as wide as this."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def prefer(self, scheme: str) -> None:
        """Prefer a colour scheme, ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    async def _call(self, method: str, params: dict) -> dict:
        self.number += 1
        await self.socket.write_message(
            json.dumps({"id": self.number, "method": method, "params": params})
        )
        while True:
            message = await self._read()
            if message.get("id") == self.number:
                assert "error" not in message, (method, message)
                return message["result"]

    async def _loaded(self) -> None:
        while "Page.loadEventFired" not in self.events:
            await self._read()

    async def _read(self) -> dict:
        text = await self.socket.read_message()
        assert text is not None, "the browser has gone"
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, about: dict) -> None:
        """Keep an event, and what it says of an error."""
        self.events.append(event)
        if event == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(about["exceptionDetails"])[:500])
        elif event == "Runtime.consoleAPICalled" and about["type"] == "error":
            self.errors.append(json.dumps(about["args"])[:500])
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")


@contextmanager
def start_browser(folder: Path) -> Iterator[Browser]:
    """Start a browser whose profile is in a folder."""
    command = [str(COMMAND), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        [*command, "about:blank"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    loop = asyncio.new_event_loop()
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        host = next(filter(None, (re.search(r"ws://([^/]+)/", line) for line in lines)))[1]
        # Nobody else reads it, and a pipe that is full would stop the browser.
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        reader.start()
        browser = loop.run_until_complete(_attach(loop, host))
        yield browser
        loop.run_until_complete(_leave(browser))
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
        reader.join()
        process.stderr.close()
        loop.close()


async def _attach(loop: asyncio.AbstractEventLoop, host: str) -> Browser:
    """The one page of the browser that listens there."""
    with urlopen(f"http://{host}/json/list", timeout=SECONDS) as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page"]
    address = pages[0]["webSocketDebuggerUrl"]
    browser = Browser(loop, await websocket_connect(address, max_message_size=2**28))
    for domain in ("Page", "Runtime", "Log"):
        await browser._call(f"{domain}.enable", {})
    return browser


async def _leave(browser: Browser) -> None:
    """Close the connection, to the end."""
    browser.socket.close()
    while await browser.socket.read_message() is not None:
        pass
