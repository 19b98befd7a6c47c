"""A daemon's socket with answers from a script, and what a command line made of them."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from click.testing import CliRunner, Result

from claudeflow.cli.main import cli


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str | None
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Scripted:
    """One answer; `hang_up` closes the connection instead."""

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False


class ScriptedDaemon:
    """Answers each `METHOD /path` with the answers given for it, the last one again and again."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Scripted]] = defaultdict(list)

    def answers(self, what: str, content: Any, status: int = 200, **headers: str) -> None:
        spelt = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers[what].append(Scripted(status, content, spelt))

    def refuses(self, what: str, status: int, code: str, detail: str = "because", **more: Any) -> None:
        problem = {"code": code, "status": status, "title": code, "detail": detail, **more}
        self._answers[what].append(Scripted(status, problem))

    def hangs_up(self, what: str) -> None:
        self._answers[what].append(Scripted(hang_up=True))

    def answer(self, asked: Asked) -> Scripted:
        self.asked.append(asked)
        script = self._answers[f"{asked.method} {asked.path}"]
        if not script:
            return Scripted(404, {"code": "not_found", "detail": f"nothing is scripted for {asked.path}"})
        return script.pop(0) if len(script) > 1 else script[0]

    @contextmanager
    def serving(self) -> Iterator[ScriptedDaemon]:
        with _Server(str(self.socket), _handler(self)) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Server(ThreadingUnixStreamServer):
    daemon_threads = False


def _handler(daemon: ScriptedDaemon) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            url = urlsplit(self.path)
            asked = Asked(
                self.command, url.path, dict(parse_qsl(url.query)), self.headers["content-type"], self._body()
            )
            scripted = daemon.answer(asked)
            self.close_connection = True
            if scripted.hang_up:
                return
            content = json.dumps(scripted.content).encode()
            self.send_response(scripted.status)
            for name, value in {**scripted.headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = handle_any  # noqa: N815 (the base class looks for this name)
        do_POST = handle_any  # noqa: N815
        do_DELETE = handle_any  # noqa: N815

        def _body(self) -> bytes:
            if self.headers["transfer-encoding"] != "chunked":
                return self.rfile.read(int(self.headers["content-length"] or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


@dataclass(frozen=True)
class CommandLine:
    """`claudeflow` with its places in one folder."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "claudeflow.sock"

    @property
    def config(self) -> Path:
        return self.folder / "claudeflow.toml"

    def __call__(self, *args: str, stdin: str | bytes = b"", **environment: str) -> Result:
        environ = {
            "CLAUDEFLOW_SOCKET": str(self.socket),
            "CLAUDEFLOW_CONFIG": str(self.config),
            **environment,
        }
        nothing = dict.fromkeys(("CLAUDEFLOW_LANE", "CLAUDEFLOW_WORKFLOW", "CLAUDEFLOW_DEBUG"))
        return CliRunner().invoke(cli, args, stdin, {**nothing, **environ}, prog_name="claudeflow")


def a_job(job_id: int = 42, state: str = "queued", **changes: Any) -> dict[str, Any]:
    """A job as the daemon describes it."""
    job: dict[str, Any] = {
        "id": job_id,
        "state": state,
        "lane": "bulk",
        "workflow": "ticket-triage",
        "model": "claude-haiku-5-5",
        "priority": 0,
        "submitted_at": "2026-11-22T09:00:00.000Z",
        "not_before": None,
        "deadline": None,
        "started_at": None,
        "finished_at": None,
        "attempts": 0,
        "tries": 0,
        "crash_count": 0,
        "wait_reason": None,
        "stop_reason": None,
        "error": None,
        "cost_nanousd": 0,
        "prompt": None,
        "batched": False,
        "pack": None,
        "dedupe_key": None,
        "metadata": {},
        "submitted_by": None,
    }
    return {**job, **changes}


def an_error(**changes: Any) -> dict[str, Any]:
    """Why a job failed, as the daemon describes it."""
    error = {
        "type": "invalid_request_error",
        "message": "prompt is too long",
        "code": None,
        "status": 400,
        "request_id": "req_1",
    }
    return {**error, **changes}


def a_message(*texts: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """An answer of Claude."""
    content = [{"type": "text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "content": content, "stop_reason": stop_reason}


def a_status(**changes: Any) -> dict[str, Any]:
    """The state of a daemon with one lane and one pool."""
    lane = {
        "lane": "bulk",
        "queued": 912,
        "running": 6,
        "succeeded": 88,
        "failed": 2,
        "oldest_age_s": 312.0,
        "wait_p50_s": 0.4,
        "wait_p95_s": 12.3,
        "input_tokens": 1_234_567,
        "cache_read_tokens": 912_000,
        "output_tokens": 45_200,
        "cost_nanousd": 1_234_500_000,
        "uncached_nanousd": 4_000_000_000,
        "in_batches": 0,
    }
    bucket = {"axis": "input_tokens", "limit_per_min": 30_000, "level": 600.0, "capacity": 2_500.0}
    pool = {
        "pool": "haiku-5.x",
        "theta": 0.93,
        "limits_known": True,
        "gate_closed_for_s": 12.2,
        "ceiling": 32,
        "in_flight": 7,
        "throttled_calls": 3,
        "buckets": [bucket],
    }
    status: dict[str, Any] = {
        "version": "0.1.0",
        "instance": "a1b2",
        "phase": "running",
        "started_at": "2026-11-22T09:00:00.000Z",
        "now": "2026-11-22T11:13:00.000Z",
        "lanes": [lane],
        "pools": [pool],
        "holds": [],
        "spend": {
            "settled_nanousd": 1_000_000_000,
            "uncached_nanousd": 4_000_000_000,
            "calls": 90,
            "unknown_calls": 1,
            "unknown_bound_nanousd": 20_000_000,
        },
        "mailboxes": {"serving": 0, "trouble": []},
    }
    return {**status, **changes}
