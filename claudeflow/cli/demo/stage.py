"""Stage: the folder that one demo works in, and the configuration that its daemon gets."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

LONGEST_SOCKET_BYTES = 100
"""A little below what the kernel takes for the path of a Unix socket."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demo keeps things. The folder stays; the socket ends with the daemon."""

    folder: Path
    socket: Path

    @property
    def store(self) -> Path:
        """The daemon's store."""
        return self.folder / "claudeflow.db"

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.folder / "claudeflow.toml"

    def log_of(self, program: str) -> Path:
        """What a program says on stdout and stderr."""
        return self.folder / f"{program}.log"


@contextlib.contextmanager
def stage(keep: Path | None) -> Iterator[Stage]:
    """A stage in `keep`, or in a new temporary folder. Raises UsageError when `keep` holds anything."""
    folder = _folder(keep)
    socket = folder / "claudeflow.sock"
    if len(bytes(socket)) <= LONGEST_SOCKET_BYTES:
        yield Stage(folder, socket)
        return
    with tempfile.TemporaryDirectory(prefix="claudeflow-", dir="/tmp") as short:
        yield Stage(folder, Path(short) / "claudeflow.sock")


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="claudeflow-demo-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise click.UsageError(f"--keep {keep}: the folder is not empty; name a new one")
    except OSError as error:
        raise click.UsageError(f"--keep {keep}: {error.strerror}") from error
    return keep.absolute()


def config_text(place: Stage, base_url: str, prompts: Path, *, retries: bool) -> str:
    """The daemon's configuration; without `retries` a job gets one call that may cost something."""
    text = f"""\
# Made by `claudeflow demo`. etc/claudeflow.toml explains every key.

[store]
path = {_quoted(place.store)}

[socket]
path = {_quoted(place.socket)}
mode = "0600"

[api]
base_url = {_quoted(base_url)}

[prompts]
folder = {_quoted(prompts)}

[daemon]
grace_s = 1.0  # calls that still run when the demo ends go back to the queue
"""
    if retries:
        return text
    return text + "".join(
        f"\n[lanes.{lane}]\nweight = {weight}\nretry_window_s = 0.001  # no call is made twice\n"
        for lane, weight in (("interactive", 8.0), ("standard", 3.0), ("bulk", 1.0))
    )


def _quoted(value: Path | str) -> str:
    """A TOML string."""
    return json.dumps(str(value), ensure_ascii=False)
