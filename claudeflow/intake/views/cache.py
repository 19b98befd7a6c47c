"""The cache → its public JSON. docs/http.md lists every field."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from claudeflow.intake.desks.cache import CacheReport, WorkflowShare
from claudeflow.intake.times import write_time
from claudeflow.policy.caching.entry import PrefixRow
from claudeflow.policy.caching.share import Share


def cache_to_json(report: CacheReport) -> dict[str, Any]:
    """Prefixes and shares. Times are RFC 3339 in UTC, money is nano-dollars, shares are 0 to 1."""
    return {
        "now": write_time(report.now_ms),
        "prefixes": [_prefix_to_json(row) for row in report.prefixes],
        "workflows": [_workflow_to_json(found) for found in report.workflows],
    }


def _prefix_to_json(row: PrefixRow) -> dict[str, Any]:
    plain = asdict(row)
    warm_until, last_used = plain.pop("warm_until_ms"), plain.pop("last_used_ms")
    return {
        **plain,
        "warm_until": write_time(warm_until),
        "last_used": write_time(last_used),
        "reads_per_write": round(row.reads / row.writes, 2) if row.writes else None,
    }


def _workflow_to_json(found: WorkflowShare) -> dict[str, Any]:
    versions = [
        {"prompt_name": share.prompt_name, "version": share.version, **_share_to_json(share)}
        for share in found.versions
    ]
    return {"workflow": found.whole.workflow, **_share_to_json(found.whole), "versions": versions}


def _share_to_json(share: Share) -> dict[str, Any]:
    return {
        "cached_share": round(share.cached, 4),
        "calls": share.calls,
        "prompt_tokens": share.prompt_tokens,
        "cache_read_tokens": share.read_tokens,
        "last_call": write_time(share.last_ms),
    }
