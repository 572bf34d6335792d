"""Chromium without a window, driven through its DevTools pipe: real keys, clicks and pointers, and nothing but the stdlib."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (p := shutil.which(n))), None)
LOCAL = ("file:", "about:", "data:")
PATIENCE = 30.0  # seconds for an answer


def _high(descriptor: int) -> int:
    """The same pipe under a number that is neither 3 nor 4."""
    other = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20)
    os.close(descriptor)
    return other


class Browser:
    """One tab. The pipe is two descriptors, 3 and 4, with a NUL after each message."""

    def __init__(self, width: int = 1280, height: int = 800, dark: bool = False):
        assert CHROMIUM is not None
        self.folder = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        (there, self.out), (self.into, back) = os.pipe(), os.pipe()
        there, back = (_high(end) for end in (there, back))
        command = (
            f'exec "{CHROMIUM}" --headless --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-pipe '
            f'--window-size={width},{height} --user-data-dir="{self.folder.name}" about:blank 3<&{there} 4>&{back}'
        )
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", command], pass_fds=(there, back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        os.close(there)
        os.close(back)
        self.buffer, self.number, self.session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        if dark:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def call(self, method: str, **params: Any) -> Any:
        """One command, and its answer."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._next(end)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            self.buffer += os.read(self.into, 1 << 20)
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)  # type: ignore[no-any-return]

    def open(self, path: Path, hash_: str = "") -> None:
        """Show a file, and wait for it."""
        self.events.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.resolve().as_uri() + hash_)
        end = time.monotonic() + PATIENCE
        while self("document.readyState") != "complete" or not self("location.href").startswith("file:"):
            assert time.monotonic() < end
            time.sleep(0.02)

    def __call__(self, expression: str) -> Any:
        """The value of an expression on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def key(self, name: str, text: str = "") -> None:
        """Press a key."""
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, " ": 32, "Enter": 13}.get(name, 0)
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **extra)

    def type(self, words: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=words)

    def click(self, x: float, y: float) -> None:
        """Press and release the pointer."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click_on(self, expression: str) -> None:
        """Click in the middle of the element that an expression gives."""
        middle = "return [r.x + r.width / 2, r.y + r.height / 2]"
        x, y = self(f"(() => {{const r = ({expression}).getBoundingClientRect(); {middle}}})()")
        self.click(x, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press, move, release."""
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], button="left", clickCount=1)
        for t in (0.5, 1.0):
            x, y = (a + t * (b - a) for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)

    def wheel(self, x: float, y: float, amount: float) -> None:
        """Turn the wheel."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=amount)

    def picture(self, path: Path) -> None:
        """A screenshot."""
        import base64

        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def complaints(self) -> list[str]:
        """What went wrong on the page: exceptions, refused scripts; and whatever it asked of the network."""
        self("0")
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(str(params["entry"]))
            elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(LOCAL):
                found.append(params["request"]["url"])
            elif method == "Page.javascriptDialogOpening":
                found.append("a dialog")
        return found

    def close(self) -> None:
        """End the browser and all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.folder.cleanup()
