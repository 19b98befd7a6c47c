"""The desk for the cache: what the front doors may ask about cached prefixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from claudeflow.policy.caching.entry import PrefixRow
from claudeflow.policy.caching.share import Share


@dataclass(frozen=True, slots=True)
class WorkflowShare:
    """A workflow's cached share, and that of the versions which it used last."""

    whole: Share
    versions: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What is known of the API's cache, and how much of each workflow's input is read from it."""

    now_ms: int
    prefixes: tuple[PrefixRow, ...]
    workflows: tuple[WorkflowShare, ...]


class CacheDesk(Protocol):
    """What a front door may ask for."""

    async def report(self, workflow: str | None) -> CacheReport:
        """Every known prefix and workflow, or one workflow's; the prefixes that were used last come first."""
        ...
