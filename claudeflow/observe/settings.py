"""How the log is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`format`: "json", "text", or "auto": text on a terminal, else JSON. `level`: the least written."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "notice", "warning", "error"] = "info"
