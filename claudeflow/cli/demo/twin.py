"""The demo's twin: limits that a morning exceeds, and what the other side saw."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 10.0
ANNOUNCEMENT = "twin listening on "

SIZED_FOR_JOBS = 330
RPM, ITPM, OTPM = 640, 450_000, 80_000
"""Limits a minute of each pool. 330 jobs that arrive within 8 s take about half a minute under them."""

RIVAL_AT_S = 12.0
RIVAL_MODEL = "claude-haiku-5-5"
RIVAL_RETRY_AFTER_S = 3
RIVAL = {
    "kind": "rate_429",
    "model": RIVAL_MODEL,
    "until_s": 1.0,
    "retry_after_s": RIVAL_RETRY_AFTER_S,
}
"""Another consumer of the same organisation has the pool's limit for a second, whatever our headers say."""


def twin_arguments(jobs: int, seed: int) -> list[str]:
    """The command line of a twin that `jobs` keep busy for about half a minute."""
    scale = max(1.0, jobs / SIZED_FOR_JOBS)
    limits = {"--rpm": RPM, "--itpm": ITPM, "--otpm": OTPM}
    options = {name: math.ceil(limit * scale) for name, limit in limits.items()}
    options |= {"--port": 0, "--seed": seed, "--ttft-ms": 350, "--tokens-per-s": 150}
    return ["twin", *(text for name, value in options.items() for text in (name, str(value)))]


@dataclass(frozen=True, slots=True)
class TwinDesk:
    """A running twin's own endpoints."""

    base_url: str

    def invoice_nanousd(self) -> int:
        """Everything that the twin has billed."""
        return int(self._ask("GET", "/twin/invoice")["total_nanousd"])

    def early_calls(self) -> int:
        """Calls that came before an earlier `retry-after` had passed."""
        return int(self._ask("GET", "/twin/stats")["early_calls"])

    def let_a_rival_in(self) -> None:
        """From now on, for a second, somebody else uses up a pool's limit."""
        self._ask("POST", "/twin/faults", {"fault": [RIVAL]})

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Raises OSError when the twin does not answer."""
        url = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=ANSWER_TIMEOUT_S)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise OSError(f"the twin answered {method} {path} with {response.status}: {answer.decode()}")
        return json.loads(answer)
