"""A daemon's drop-in endpoint as clients find it: a process over a twin, on a Unix socket and on TCP."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson

from claudeflow.twin.child import twin_process
from claudeflow.twin.settings import TwinSettings
from tests.support.books import disagreements
from tests.support.daemons import PLENTY
from tests.support.processes import PATIENCE_S, Site, daemon_at, invoice_of, short_folder

NAME = "http://claudeflow"
"""Over a socket the host says nothing, but must be there."""


@dataclass(frozen=True)
class Door:
    """Where clients ask, and a way to look behind it. `key` is a token that may submit, and nothing else."""

    site: Site
    twin: str
    url: str
    key: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request of claudeflow's own over the socket; the answer's JSON."""
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.site.socket)), base_url=NAME) as http:
            answer = http.request(method, path, json=body, timeout=PATIENCE_S)
        assert answer.is_success, answer.text
        return answer.json()

    def jobs(self, *, after: int = 0) -> list[dict[str, Any]]:
        """The jobs with a higher number, the newest first."""
        listed = self.ask("GET", "/v1/jobs?limit=100")["jobs"]
        return [job for job in listed if job["id"] > after]

    def newest(self) -> int:
        """The highest number of a job; 0 when there is none."""
        return max((job["id"] for job in self.jobs()), default=0)

    def result(self, job_id: int) -> dict[str, Any]:
        """A succeeded job's message."""
        message: dict[str, Any] = self.ask("GET", f"/v1/jobs/{job_id}")["result"]
        return message

    def let_the_api_fail(self, *faults: Mapping[str, Any]) -> None:
        """From now on; `calls` counts from here."""
        body = orjson.dumps({"fault": list(faults)})
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.twin}/twin/faults", body, headers)
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()

    def request_ids(self) -> set[str]:
        """The ids of every call that the API has seen."""
        with urllib.request.urlopen(f"{self.twin}/twin/calls", timeout=PATIENCE_S) as lines:
            return {orjson.loads(line)["request_id"] for line in lines}

    def book_mistakes(self) -> list[str]:
        """How the books differ from the invoice."""
        return disagreements(self.site.store, invoice_of(self.twin))

    def environ(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a client: this door, and nothing of the host's but where programs are."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": self.key,
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LLM_USER_PATH": str(home / "llm"),
            **more,
        }


@contextmanager
def open_door(**tables: Mapping[str, Any]) -> Iterator[Door]:
    """A daemon at work, configured with these tables."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        twin = stack.enter_context(twin_process(TwinSettings(reply_tokens=20, **PLENTY)))
        address = f"127.0.0.1:{free_port()}"
        site = Site(folder, twin.address, {"http": {"tcp": address}, **tables})
        stack.enter_context(daemon_at(site))
        made = site.cli("token", "create", "clients")
        assert made.returncode == 0, made.stderr
        yield Door(site, twin.address, f"http://{address}", made.stdout.strip())


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
