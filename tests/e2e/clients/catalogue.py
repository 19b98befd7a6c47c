"""Which clients are tried, where they are found, and how each is asked."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
PLACE = "CLAUDEFLOW_CLIENTS"
"""Names the folder that scripts/install-clients has filled."""

MODEL = "claude-haiku-5-5"
NO_SUCH_MODEL = "claude-opus-1"
PATIENCE_S = 150.0
"""Some of them take ten seconds to import themselves on a busy machine."""

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a client understood: the text, a tool call, or an error with its HTTP status."""

    text: str | None = None
    tool: Mapping[str, Any] | None = None
    error: str | None = None
    status: int | None = None


def heard_as_json(done: Done) -> Heard:
    """What a program of ours in `programs/` prints."""
    assert done.returncode == 0, done.stderr
    return Heard(**json.loads(done.stdout))


def heard_from_claude(done: Done) -> Heard:
    """What `claude -p --output-format json` prints."""
    said = json.loads(done.stdout)
    if said["is_error"]:
        return Heard(error=said["result"], status=said["api_error_status"])
    return Heard(text=said["result"])


def heard_from_llm(done: Done) -> Heard:
    """What `llm` prints: the answer, or an error, whose status it tells when it had one."""
    if done.returncode == 0:
        return Heard(text=done.stdout.rstrip("\n"))
    status = done.stderr.partition("Error code: ")[2][:3]
    return Heard(error=done.stderr, status=int(status) if status else None)


@dataclass(frozen=True, slots=True)
class Client:
    """A client: where it is, how it is asked, and how its answer is read.

    `command` is what asks, with what `find` has found; `modes` are what it can be made to do.
    `over_socket`: it can use a Unix socket named by ANTHROPIC_UNIX_SOCKET. `comes_again`: after a 429, when
    `retry-after` has passed. `names`: what it calls a model, where that is not its id.
    """

    name: str
    find: Callable[[], Path | None]
    command: Callable[[Path, str, str, str], list[str]]
    modes: tuple[str, ...]
    read: Callable[[Done], Heard] = heard_as_json
    names: Mapping[str, str] = field(default_factory=dict)
    over_socket: bool = False
    comes_again: bool = True

    def start(
        self, place: Path, mode: str, prompt: str, environ: Mapping[str, str], model: str = MODEL
    ) -> subprocess.Popen[str]:
        """Ask; the answer comes by `heard`."""
        return subprocess.Popen(
            self.command(place, mode, self.names.get(model, model), prompt),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def heard(self, process: subprocess.Popen[str]) -> Heard:
        """What it understood. It does not outlive this."""
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        return self.read(subprocess.CompletedProcess(process.args, process.returncode, out, err))


def _installed(client: str, *parts: str) -> Path | None:
    """A file in the place of a client, if it is there."""
    folder = os.environ.get(PLACE)
    path = Path(folder, client, *parts) if folder else None
    return path if path is not None and path.exists() else None


def _python_of(client: str, package: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        here = Path(sys.executable) if importlib.util.find_spec(package) else None
        return _installed(client, "bin", "python") or here

    return find


def _command_of(client: str, *parts: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        path = shutil.which(client)
        return _installed(client, *parts, client) or (Path(path) if path else None)

    return find


def _script(name: str) -> Callable[[Path, str, str, str], list[str]]:
    return lambda python, mode, model, prompt: [str(python), str(PROGRAMS / name), mode, model, prompt]


def _node(packages: Path, mode: str, model: str, prompt: str) -> list[str]:
    return ["node", str(PROGRAMS / "sdk.mjs"), str(packages.parent), mode, model, prompt]


def _claude(claude: Path, _mode: str, model: str, prompt: str) -> list[str]:
    return [str(claude), "-p", prompt, "--model", model, "--output-format", "json"]


def _llm(llm: Path, _mode: str, model: str, prompt: str) -> list[str]:
    return [str(llm), "--no-log", "-m", model, prompt]


CLIENTS = {
    client.name: client
    for client in (
        Client("python-sdk", lambda: Path(sys.executable), _script("sdk.py"), ("plain", "stream", "tool")),
        Client(
            "python-sdk-0",
            lambda: _installed("python-sdk-0", "bin", "python"),
            _script("sdk.py"),
            ("plain", "stream", "tool"),
        ),
        Client(
            "typescript-sdk",
            lambda: _installed("typescript-sdk", "node_modules"),
            _node,
            ("plain", "stream", "tool"),
            over_socket=True,
        ),
        Client(
            "litellm",
            _python_of("litellm", "litellm"),
            _script("litellm_client.py"),
            ("plain", "stream", "tool"),
            comes_again=False,
        ),
        Client(
            "pydantic-ai",
            _python_of("pydantic-ai", "pydantic_ai"),
            _script("pydantic_ai_client.py"),
            ("plain", "stream", "schema"),
        ),
        Client(
            "llm",
            _command_of("llm", "bin"),
            _llm,
            ("stream",),
            read=heard_from_llm,
            names={MODEL: "claude-haiku-5.5", NO_SUCH_MODEL: "claude-3-opus"},
        ),
        Client(
            "claude",
            _command_of("claude", "node_modules", ".bin"),
            _claude,
            ("stream",),
            read=heard_from_claude,
            over_socket=True,
        ),
    )
}
