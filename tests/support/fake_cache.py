"""A cache desk in memory: the second implementation of the `CacheDesk` protocol."""

from __future__ import annotations

from claudeflow.intake.desks.cache import CacheReport, WorkflowShare
from claudeflow.policy.caching.entry import PrefixRow
from claudeflow.policy.caching.share import Share

NOW_MS = 1_795_338_000_000


def a_prefix(**changes: object) -> PrefixRow:
    """A prompt's prefix that has paid."""
    ordinary: dict[str, object] = {
        "model": "claude-haiku-5-5",
        "prefix": "0123456789abcdef",
        "workflow": "triage",
        "prompt_name": "ticket",
        "prompt_version": "0123456789abcdef",
        "tokens": 5_120,
        "ttl": "5m",
        "why": "kept for 5m: by its own calls a token costs 5m 0.12, uncached 1.00",
        "warm_until_ms": NOW_MS + 60_000,
        "writes": 2,
        "reads": 98,
        "unexpected_misses": 1,
        "saved_nanousd": 43_000_000,
        "last_used_ms": NOW_MS - 1_000,
    }
    return PrefixRow(**(ordinary | changes))  # type: ignore[arg-type]


def a_share(version: str | None = None, **changes: object) -> Share:
    """A workflow's share, or that of one version of its prompt."""
    name = None if version is None else "ticket"
    ordinary: dict[str, object] = {
        "workflow": "triage",
        "prompt_name": name,
        "version": version,
        "calls": 100,
        "prompt_tokens": 600_000,
        "read_tokens": 480_000,
        "last_ms": NOW_MS - 1_000,
    }
    return Share(**(ordinary | changes))  # type: ignore[arg-type]


class FakeCacheDesk:
    """Tells of two prefixes and one workflow; tests may change them."""

    def __init__(self) -> None:
        cold = a_prefix(
            prefix="fedcba9876543210",
            workflow="drafts",
            prompt_name=None,
            prompt_version=None,
            ttl=None,
            why="not cached: used once",
            warm_until_ms=None,
            writes=0,
            reads=0,
            unexpected_misses=0,
            saved_nanousd=-1_000,
            last_used_ms=NOW_MS - 60_000,
        )
        self.prefixes = (a_prefix(), cold)
        self.workflows = (WorkflowShare(a_share(), (a_share("0bbb"), a_share("0aaa", calls=40))),)

    async def report(self, workflow: str | None) -> CacheReport:
        return CacheReport(
            NOW_MS,
            tuple(row for row in self.prefixes if workflow in (None, row.workflow)),
            tuple(found for found in self.workflows if workflow in (None, found.whole.workflow)),
        )
