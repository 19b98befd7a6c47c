"""A twin's script: what goes wrong (`[[fault]]`), who else uses the limits (`[[consumer]]`), and how the
limits change (`[[change]]`), in one TOML file.

    [[consumer]]
    pool = "opus-5"
    share = 0.5
    from_s = 600
    until_s = 1200

    [[change]]
    at_s = 1800
    factor = 0.5
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from claudeflow.twin.changes import Change, parse_changes
from claudeflow.twin.consumers import Consumer, parse_consumers
from claudeflow.twin.entries import read_toml
from claudeflow.twin.fault_script import parse_faults
from claudeflow.twin.faults import Fault


@dataclass(frozen=True, slots=True)
class Script:
    """The sections of one file."""

    faults: tuple[Fault, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    changes: tuple[Change, ...] = ()


def load_script(path: Path) -> Script:
    """Read a script from a TOML file. Raises ValueError naming the entry, OSError if it cannot be read."""
    return read_script(path.read_text(encoding="utf-8"))


def read_script(text: str) -> Script:
    """Read a script from TOML text. Raises ValueError naming the entry and what is allowed."""
    document = read_toml(text, ("fault", "consumer", "change"))
    return Script(
        parse_faults(document.get("fault", [])),
        parse_consumers(document.get("consumer", [])),
        parse_changes(document.get("change", [])),
    )
