"""A real Chromium without libraries: chromedriver speaks JSON over HTTP, which is all that tests of pages need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
TAB = "\ue004"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True)
class Browser:
    """A page in a browser."""

    session: str

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.session}{path}", data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path) -> None:
        self.call("POST", "/url", {"url": page.as_uri()})

    def ask(self, script: str) -> Any:
        """What a function body in JavaScript returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, key: str) -> None:
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": keys}]})

    def said(self) -> list[str]:
        """What stands in the console."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def fetched(self) -> list[str]:
        """Every address that pages on files asked for, themselves included."""
        entries = [json.loads(e["message"])["message"] for e in self.call("POST", "/se/log", {"type": "performance"})]
        sent = [e["params"] for e in entries if e["method"] == "Network.requestWillBeSent"]
        # the browser's own first page loads a lot
        return [e["request"]["url"] for e in sent if e["documentURL"].startswith("file:")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Chromium with an empty profile in a directory of its own."""
    driver = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert driver.stdout is not None
        found = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
        port = next(match[1] for match in found if match)
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}", "--window-size=1200,900"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        server = Browser(f"http://127.0.0.1:{port}")
        name = server.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        page = Browser(f"{server.session}/session/{name}")
        try:
            yield page
        finally:
            page.call("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(timeout=20)
