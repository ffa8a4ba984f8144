"""A real browser for tests: Chromium, driven through its DevTools protocol over a pipe. Standard library only."""

import base64
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 30


def find() -> str | None:
    """Return the browser to use: `KCNN_BROWSER`, or the first Chromium on the path."""
    return os.environ.get("KCNN_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser process; pages are tabs of it."""

    def __init__(self, program: str, profile: Path):
        to_browser, ours = os.pipe()
        theirs, from_browser = os.pipe()

        def wire() -> None:  # the protocol's pipe is file descriptors 3 (to read) and 4 (to write)
            kept = [os.dup2(end, 60 + at) for at, end in enumerate((to_browser, from_browser))]
            for at, end in enumerate(kept):
                os.dup2(end, 3 + at)

        self._process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            preexec_fn=wire,  # noqa: PLW1509 (it only duplicates descriptors)
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._write = os.fdopen(ours, "wb", buffering=0)
        self._read = os.fdopen(theirs, "rb")
        self._ids = itertools.count(1)
        self._answers: dict[int, queue.Queue] = {}
        self.pages: dict[str, Page] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        waiting = b""
        while chunk := self._read.read1(1 << 20):
            *whole, waiting = (waiting + chunk).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    self._answers[message["id"]].put(message)
                elif page := self.pages.get(message.get("sessionId", "")):
                    page.heard(message["method"], message["params"])

    def send(self, method: str, session: str | None = None, **params: Any) -> dict:
        """Call `method` and wait for its result."""
        number = next(self._ids)
        self._answers[number] = queue.Queue()
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self._write.write(json.dumps(message).encode() + b"\0")
        answer = self._answers[number].get(timeout=SECONDS + 5)
        del self._answers[number]
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def page(self, url: str, width: int = 1200, height: int = 900, **media: str) -> "Page":
        """Open `url` in a tab of its own and wait until the page is ready."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.media(**media)
        page.size(width, height)
        page.open(url)
        return page

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._write.close()


class Page:
    """A tab: what it asked for, what it complained of, and hands to use it."""

    def __init__(self, browser: Browser, session: str, target: str):
        self._browser, self._session, self._target = browser, session, target
        self.requests: list[str] = []
        self.errors: list[str] = []

    def heard(self, method: str, params: dict) -> None:
        """Note requests and errors."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(part.get("value", part.get("description"))) for part in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def send(self, method: str, **params: Any) -> dict:
        """Call `method` for this tab."""
        return self._browser.send(method, self._session, **params)

    def media(self, **features: str) -> None:
        """Set media features, such as `prefers_color_scheme="dark"`."""
        listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=listed)

    def size(self, width: int, height: int) -> None:
        """Set the window's size in pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Go to `url` and wait until the page says that it can be used."""
        self.send("Page.navigate", url=url)
        self.until("document.documentElement?.dataset.ready === '1'")

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = SECONDS) -> Any:
        """Wait until the JavaScript `condition` is truthy, and return its value."""
        wait = (
            f"new Promise((done, fail) => {{ const end = performance.now() + {seconds * 1000};"
            f"const look = () => {{ const value = ({condition}); if (value) done(value);"
            f"else if (performance.now() > end) fail(new Error('not within {seconds} s: ' + {json.dumps(condition)}));"
            f"else setTimeout(look, 15); }}; look(); }})"
        )
        try:
            return self.run(wait)
        except AssertionError as error:
            if "navigated" in str(error) or "Cannot find context" in str(error):  # the old page went away meanwhile
                return self.run(wait)
            raise

    def go(self, hash: str) -> None:
        """Show the view that `hash` names."""
        self.run(f"kcnn.go({json.dumps(hash)})")

    def text(self, selector: str) -> str:
        """Return the text of the first visible element that `selector` finds."""
        return self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].find((e) => e.offsetParent)?.innerText"
        )

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Scroll the first visible match into view and return (left, top, width, height)."""
        found = self.run(
            f"(() => {{ const e = [...document.querySelectorAll({json.dumps(selector)})]"
            ".find((e) => e.getClientRects().length); if (!e) return null; e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()"
        )
        assert found, f"{selector} is not to be seen"
        return tuple(found)

    def drag(self, selector: str, path: list[tuple[float, float]]) -> None:
        """Press on the element at the first of `path` (shares of its width and height), move along it, let go."""
        left, top, width, height = self.box(selector)
        points = [(left + x * width, top + y * height) for x, y in path]
        self._mouse("mousePressed", points[0])
        for point in points[1:]:
            self._mouse("mouseMoved", point)
        self._mouse("mouseReleased", points[-1])

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Click on an element."""
        self.drag(selector, [(x, y)])

    def _mouse(self, kind: str, point: tuple[float, float]) -> None:
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], **held)

    def key(self, *names: str, shift: bool = False) -> None:
        """Press keys, each named as in KeyboardEvent.key."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        for name in names:
            how = {"key": name, "code": name, "windowsVirtualKeyCode": codes[name], "modifiers": 8 * shift}
            self.send("Input.dispatchKeyEvent", type="keyDown", **how, **({"text": "\r"} if name == "Enter" else {}))
            self.send("Input.dispatchKeyEvent", type="keyUp", **how)

    def type(self, selector: str, text: str) -> None:
        """Replace what stands in a text field."""
        self.run(
            f"(() => {{ const e = [...document.querySelectorAll({json.dumps(selector)})]"
            ".find((e) => e.getClientRects().length); e.focus(); e.select(); })()"
        )
        self.send("Input.insertText", text=text)

    def give(self, selector: str, *files: Path) -> None:
        """Choose files in a file field."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        found = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=found, files=[str(file) for file in files])

    def picture(self, file: Path) -> Path:
        """Save a screenshot of the whole page."""
        height = self.run("Math.ceil(document.documentElement.scrollHeight)")
        width = self.run("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        file.write_bytes(base64.b64decode(data))
        return file

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", targetId=self._target)
        self._browser.pages.pop(self._session, None)
