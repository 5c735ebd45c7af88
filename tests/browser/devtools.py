"""Controls Chromium over the DevTools protocol, using only the standard library."""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find():
    """The path of a Chromium, or None."""
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


class Socket:
    """The client side of a WebSocket (RFC 6455): text messages, answers to pings, no extensions."""

    def __init__(self, host, port, path):
        self.stream = socket.create_connection((host, port), timeout=180)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self.stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._some(1)
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise ConnectionError(f"Chromium refuses the DevTools connection: {answer[:200]!r}")

    def send(self, text):
        self._frame(1, text.encode())

    def receive(self):
        """The next text message; raises socket.timeout if none arrives."""
        message = b""
        while True:
            first, second = self._exactly(2)
            length = second & 127
            if length > 125:
                length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
            payload = self._exactly(length)
            kind = first & 15
            if kind == 9:
                self._frame(10, payload)
            elif kind == 8:
                raise ConnectionError("Chromium has closed the DevTools connection")
            elif kind in (0, 1):
                message += payload
                if first & 128:
                    return message.decode()

    def close(self):
        self.stream.close()

    def _frame(self, kind, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 128 | kind, 128 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 128 | kind, 128 | 126, size)
        else:
            head = struct.pack("!BBQ", 128 | kind, 128 | 127, size)
        # A mask of zeros leaves the payload unchanged; masking protects proxies, and there are none here.
        self.stream.sendall(head + bytes(4) + payload)

    def _some(self, most):
        data = self.stream.recv(most)
        if not data:
            raise ConnectionError("Chromium has closed the DevTools connection")
        return data

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            data += self._some(min(size - len(data), 1 << 20))
        return bytes(data)


class Browser:
    """A headless Chromium with a temporary profile; both are cleaned up on exit."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(prefix="facevault-browser-", ignore_cleanup_errors=True)
        options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={self.profile.name}"]
        options += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's own sandbox does not work for root
        self.process = subprocess.Popen(
            [program, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        port, path = self._address()
        self.socket = Socket("127.0.0.1", port, path)
        self.number = 0
        self.events = []

    def _address(self):
        file = os.path.join(self.profile.name, "DevToolsActivePort")
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"Chromium exited with {self.process.returncode} before it was ready")
            if os.path.exists(file):
                lines = open(file, encoding="utf-8").read().split("\n")
                if len(lines) > 1:
                    return int(lines[0]), lines[1]
            time.sleep(0.1)
        raise RuntimeError("Chromium did not start within a minute")

    def call(self, method, session=None, **parameters):
        """The result of a command; events that arrive meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.receive())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def tab(self):
        return Tab(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
        except (OSError, RuntimeError):
            self.process.terminate()
        self.socket.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()


class Tab:
    """One page, with its log events and requests."""

    def __init__(self, browser):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def open(self, address):
        """Loads a page and waits for its load event."""
        self.browser.events.clear()
        self.call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events()):
            self.browser.events.append(json.loads(self.browser.socket.receive()))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def events(self):
        return [event for event in self.browser.events if event.get("sessionId") == self.session]

    def evaluate(self, expression):
        """The value of a JavaScript expression; awaits promises."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def key(self, name, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def screenshot(self, path):
        """The whole page, up to the largest height that Chromium captures."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16_000), "scale": 1}
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))
