"""A real Chromium without a window, of Debian's package, led by its DevTools protocol over two pipes."""

import base64
import json
import os
import select
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from testbed.child_process import Process, ProcessError
from testbed.debian_programs import environment, unpack_once

_PACKAGES = ("chromium-headless-shell", "chromium-common", "fonts-liberation", "fonts-dejavu-core")
"""The browser without its window, 300 MB unpacked with its libraries, and the fonts that it sees."""
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""
_PATIENCE_SECONDS = 60
_PNG_SCALE = 1
_COMPLAINTS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")

Message = dict[str, Any]


class Browser:
    """A browser with one page and no network, which runs while it is entered. It sees the same fonts everywhere.

    Raises:
        ProcessError: it cannot be had, it ended, or it does not answer within a minute.
    """

    def __init__(self) -> None:
        self._ending = ExitStack()
        self._number = 0
        self._session = ""
        self._unread = b""
        self.events: list[Message] = []
        """Messages of the browser since the page was opened."""

    def __enter__(self) -> Self:
        programs = unpack_once("chromium", _PACKAGES)
        folder = Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="sonic-browser-")))
        fonts = folder / "fonts.conf"
        fonts.write_text(_FONTS.format(fonts=programs / "usr/share/fonts", cache=folder / "fonts"))
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        for end in (self._out, self._in):
            self._ending.callback(os.close, end)
        options = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        # The protocol's pipes are the file descriptors 3 and 4.
        piped = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        program = str(programs / "usr/lib/chromium/chromium-headless-shell")
        self._process = Process(
            ["bash", "-c", piped, "bash", program, *options, f"--user-data-dir={folder}", "about:blank"],
            log=folder / "log",
            environment={**environment(programs), "FONTCONFIG_FILE": str(fonts)},
            descriptors=(to_browser, from_browser),
        )
        self._ending.callback(self._process.kill)
        for end in (to_browser, from_browser):
            os.close(end)
        (page,) = [each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def open(self, file: Path, *, width: int, height: int = 800) -> None:
        """Load a file in a window of so many pixels, until all that it names is loaded."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=_PNG_SCALE, mobile=False
        )
        self.call("Page.navigate", url=file.resolve().as_uri())
        end = time.monotonic() + _PATIENCE_SECONDS
        while not self._told("Page.loadEventFired"):
            self.events.append(self._message(end))

    @property
    def requested(self) -> list[str]:
        """Addresses that the page asked for, its own first."""
        return [event["request"]["url"] for event in self._told("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[Message]:
        """Messages on the console, errors of scripts and of the browser."""
        return [event for kind in _COMPLAINTS for event in self._told(kind)]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, *, height: int | None = None) -> bytes:
        """Return the page, or so many pixels of its top, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def pdf(self) -> bytes:
        """Return the page as it is printed on A4."""
        return base64.b64decode(self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])

    def call(self, method: str, **parameters: Any) -> Message:
        """Put a command of the DevTools protocol to the page, and return its result."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        command = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._out, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + _PATIENCE_SECONDS
        while (message := self._message(end)).get("id") != self._number:
            self.events.append(message)
        if "error" in message:
            msg = f"the browser refuses {method}: {message['error']}"
            raise ProcessError(msg)
        result: Message = message["result"]
        return result

    def _told(self, method: str) -> list[Message]:
        return [event["params"] for event in self.events if event.get("method") == method]

    def _message(self, end: float) -> Message:
        """Return the next message; each ends with a zero byte."""
        while b"\0" not in self._unread:
            readable, _, _ = select.select([self._in], [], [], max(end - time.monotonic(), 0))
            more = os.read(self._in, 1 << 20) if readable else b""
            if not more:
                msg = f"the browser {'ended' if readable else 'does not answer'}: {self._process.last_lines()}"
                raise ProcessError(msg)
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        message: Message = json.loads(text)
        return message
