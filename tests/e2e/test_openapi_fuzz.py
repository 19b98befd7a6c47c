"""schemathesis against a real daemon over TCP: whatever its document lets one ask, no answer is a fault.

It asks every operation with made-up values, wrong ones as well, follows links, and compares each answer
with the document. Left out are the stream of events, which does not end, and `wait`, which waits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.daemons import PLENTY
from tests.support.processes import PATIENCE_S, Site, a_free_port, daemon_at, short_folder

FEW, MANY = 4, 300
LANE = {"patience_s": 0.1}
ALLOWED = "positive_data_acceptance"
"""The check that is left out: a job of the right form may be refused, say for a model without a price."""


@dataclass(frozen=True)
class Target:
    """A daemon over TCP, its document without what never ends, and its log."""

    url: str
    token: str
    document: Path
    site: Site

    def fuzzed(self, examples: int, timeout_s: float) -> str:
        """What schemathesis has to say; it must have found nothing."""
        arguments = [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(self.document), "--url", self.url),
            *("--header", f"Authorization: Bearer {self.token}", "--max-examples", str(examples)),
            *("--exclude-checks", ALLOWED, "--no-color", "--warnings", "off", "--request-timeout", "20"),
        ]
        done = subprocess.run(
            arguments, cwd=self.site.folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
        return done.stdout


@pytest.fixture
def target() -> Iterator[Target]:
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        twin = stack.enter_context(twin_process(TwinSettings(reply_tokens=20, **PLENTY)))
        tables: dict[str, Any] = {
            "http": {"tcp": (address := f"127.0.0.1:{a_free_port()}")},
            "budgets.team": {"limit_usd": 100.0},
            "lanes.interactive": LANE,
            "lanes.standard": LANE,
        }
        site = Site(folder, twin.address, tables)
        stack.enter_context(daemon_at(site))
        yield _target(site, f"http://{address}")


def _target(site: Site, url: str) -> Target:
    made = site.cli("token", "create", "one-that-nobody-guesses", "--role", "admin", "--json")
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)["token"]
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=PATIENCE_S) as answer:
        document = json.loads(answer.read())
    del document["paths"]["/v1/events"]
    waiting = document["paths"]["/v1/jobs/{job_id}"]["get"]["parameters"]
    waiting[:] = [one for one in waiting if one["name"] != "wait"]
    path = site.folder / "openapi.json"
    path.write_text(json.dumps(document))
    return Target(url, token, path, site)


@pytest.mark.timeout(300)
def test_a_short_look_finds_nothing(target: Target) -> None:
    assert "Stateful" in target.fuzzed(FEW, 280)
    assert target.site.events("OwnTrouble") == []


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_a_long_look_finds_nothing(target: Target) -> None:
    assert "Stateful" in target.fuzzed(MANY, 3_500)
    assert target.site.events("OwnTrouble") == []
