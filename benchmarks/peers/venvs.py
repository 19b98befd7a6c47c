"""The peers' own environments: made on demand, in the user's cache, never a part of claudeflow's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
INSTALL_TIMEOUT_S = 900
COMPLETE = "complete"


def peers() -> list[str]:
    """The peers that need an environment of their own."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def python_of(peer: str) -> Path | None:
    """The interpreter of a peer's environment; None when it is not installed, or with other versions."""
    folder = _folder(peer)
    return folder / "bin" / "python" if (folder / COMPLETE).exists() else None


def versions_of(peer: str) -> str:
    """What is installed for a peer, as its requirements pin it."""
    return ", ".join(_requirements(peer).read_text(encoding="utf-8").replace("==", " ").splitlines())


def install(peer: str) -> Path:
    """Make a peer's environment if it is not there yet. Raises CalledProcessError when pip fails."""
    folder = _folder(peer)
    if python_of(peer) is None:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement"]
        command.append(str(_requirements(peer)))
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S)
        (folder / COMPLETE).touch()
    return folder


def remove() -> Path:
    """Delete all environments; where they were."""
    shutil.rmtree(_home(), ignore_errors=True)
    return _home()


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "claudeflow-peers"


def _folder(peer: str) -> Path:
    pinned = _requirements(peer).read_bytes() + sys.version.encode()
    return _home() / f"{peer}-{hashlib.sha256(pinned).hexdigest()[:12]}"


def _requirements(peer: str) -> Path:
    return REQUIREMENTS / f"{peer}.txt"
