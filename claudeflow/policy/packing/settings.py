"""Packs: what an operator can set about them. How a prompt is packed stands in its own `[pack]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackSettings:
    """Without `enabled` each job has a call of its own, whatever its prompt says."""

    enabled: bool = True
