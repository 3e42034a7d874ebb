"""usher for pytest: one server, and a world of its own for each test.

Copy this file. A test that takes the fixture `sandbox` finds at `sandbox.url`
every API, with the demo accounts, and nobody else's changes.
"""

import json
import os
import subprocess
import time

import pytest
import requests


@pytest.fixture(scope="session")
def usher(tmp_path_factory):
    """The URL of a server that runs as long as the tests do."""
    folder = tmp_path_factory.mktemp("usher")
    ready, log = folder / "ready.json", folder / "log"
    command = [os.environ.get("USHER", "usher"), "serve", "--demo",
               "--listen", "127.0.0.1:0", "--ready-file", ready]
    with log.open("w") as stderr:
        server = subprocess.Popen(command, stderr=stderr)
    try:
        deadline = time.monotonic() + 10
        while not ready.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"usher did not start: {log.read_text()}")
            time.sleep(0.01)
        yield json.loads(ready.read_text())["urls"]["all"]
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def sandbox(usher):
    made = Sandbox(usher)
    yield made
    made.delete()


class Sandbox:
    """A world: users, tokens, clock, faults and journal of its own."""

    def __init__(self, usher, **spec):
        sandboxes = f"{usher}/_usher/sandboxes"
        made = _sent("POST", sandboxes, spec)
        self.url = made["urls"]["path"]
        self._control = f"{sandboxes}/{made['name']}"

    def freeze(self):
        """Stops the clock."""
        _sent("PATCH", f"{self._control}/clock", {"frozen": True})

    def advance(self, by):
        """Moves the clock on, by as much as "90s" or "1h30m"."""
        _sent("PATCH", f"{self._control}/clock", {"advance": by})

    def fault(self, **rule):
        """Has requests go wrong: fault(operation="createUser", api="fusion", status=503, first=2)."""
        _sent("POST", f"{self._control}/faults", rule)

    def assert_sent(self, *expected, ordered=False):
        """Fails unless these requests were sent: dict(operation="createUser", exactly=1)."""
        body = {"requests": expected, "ordered": ordered}
        verdict = _sent("POST", f"{self._control}/journal/assert", body)
        assert verdict["met"], json.dumps(verdict["requests"], indent=2)

    def delete(self):
        _sent("DELETE", self._control)


def _sent(method, url, body=None):
    answer = requests.request(method, url, json=body, timeout=10)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None
