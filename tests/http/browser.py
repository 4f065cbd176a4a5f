# SPDX-License-Identifier: BSD-3-Clause
"""browser - drives a headless Chromium over its debugging pipe: JSON messages that end with a zero byte."""
import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile

from server import Failed, die_with_parent, wait_for

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page. Use as a context manager."""
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="stet-browser-")
        to_read, self.to = os.pipe()
        self.fro, to_write = os.pipe()

        def child():
            die_with_parent()
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)
        self.proc = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-quic", "--hide-scrollbars",
             "--user-data-dir=" + self.dir, "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=child)
        os.close(to_read)
        os.close(to_write)
        self.ids, self.read, self.events = itertools.count(1), b"", []
        self.session = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.kill()
        self.proc.wait()
        os.close(self.to)
        os.close(self.fro)
        shutil.rmtree(self.dir, ignore_errors=True)

    def message(self):
        while b"\0" not in self.read:
            got = os.read(self.fro, 1 << 20)
            if not got:
                raise Failed("the browser has ended")
            self.read += got
        text, _, self.read = self.read.partition(b"\0")
        return json.loads(text)

    def call(self, method, **params):
        n = next(self.ids)
        message = {"id": n, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            m = self.message()
            if m.get("id") == n:
                if "error" in m:
                    raise Failed("%s: %s" % (method, m["error"]))
                return m["result"]
            self.events.append(m)

    def js(self, expression):
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise Failed("%s: %s" % (expression, got["exceptionDetails"]))
        return got["result"].get("value")

    def wait(self, expression, what):
        return wait_for(lambda: self.js(expression), what, step=0.02)

    def open(self, url, width=1280, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.theme(dark)
        self.call("Page.navigate", url=url)

    def theme(self, dark):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def key(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                      **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}))

    def shot(self, path):
        """The whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        got = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    def complaints(self):
        """Exceptions and errors of the console, and requests to anywhere but the server."""
        found = []
        for m in self.events:
            p = m.get("params", {})
            if m.get("method") == "Runtime.exceptionThrown":
                found.append(p["exceptionDetails"].get("exception", {}).get("description", str(p)))
            if m.get("method") == "Log.entryAdded" and p["entry"]["level"] == "error":
                found.append("%s %s" % (p["entry"]["text"], p["entry"].get("url", "")))
            if m.get("method") == "Network.requestWillBeSent" and "127.0.0.1" not in p["request"]["url"]:
                found.append("request to " + p["request"]["url"])
        return found
