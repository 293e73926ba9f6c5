"""browser: a headless Chromium, spoken to through its debugging pipe (the DevTools protocol, a
message a NUL): loads a page, asks it questions, takes pictures.  Nothing but Python and Chromium."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

DEADLINE_S = 60


def find():
    """The program, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    return None


class Browser:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="levee-browser-")
        to_child, ours_out = os.pipe()
        ours_in, from_child = os.pipe()
        # the protocol is on descriptors 3 and 4 of the browser
        self.proc = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_child, from_child), "browser", find(),
             "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars", "--user-data-dir=" + self.directory, "--remote-debugging-pipe",
             "about:blank"],
            pass_fds=(to_child, from_child), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.out, self.into = ours_out, ours_in
        os.set_blocking(self.into, False)
        self.rest, self.count, self.events, self.session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        os.close(self.out)
        os.close(self.into)
        shutil.rmtree(self.directory, ignore_errors=True)

    def receive(self, end):
        while b"\0" not in self.rest:
            try:
                more = os.read(self.into, 1 << 20)
                if not more:
                    raise RuntimeError("the browser has ended")
                self.rest += more
            except BlockingIOError:
                if time.monotonic() > end:
                    raise RuntimeError("the browser did not answer") from None
                time.sleep(0.005)
        line, self.rest = self.rest.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        end = time.monotonic() + DEADLINE_S
        while True:
            answer = self.receive(end)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def show(self, url, width, height=900, dark=False):
        """Load a page in a window of this size; what went wrong meanwhile is in self.problems."""
        self.events = []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 700)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)
        end = time.monotonic() + DEADLINE_S
        while self.ask("document.readyState") != "complete" or self.ask("location.href") != url:
            if time.monotonic() > end:
                raise RuntimeError("the page was not loaded")
            time.sleep(0.02)

    @property
    def requests(self):
        """Every address that was asked for."""
        return [event["params"]["request"]["url"] for event in self.events
                if event["method"] == "Network.requestWillBeSent"]

    @property
    def problems(self):
        told = [event["params"]["exceptionDetails"].get("text", "") for event in self.events
                if event["method"] == "Runtime.exceptionThrown"]
        return told + [event["params"]["entry"]["text"] for event in self.events
                       if event["method"] == "Log.entryAdded"
                       and event["params"]["entry"]["level"] == "error"]

    def ask(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError("%s: %s" % (expression, result["exceptionDetails"]))
        return result["result"].get("value")

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "scale": 1,
                               "width": self.ask("document.documentElement.clientWidth"),
                               "height": self.ask("document.documentElement.scrollHeight")})
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
