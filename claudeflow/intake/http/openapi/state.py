"""How everything stands: status, limits, the cache."""

from __future__ import annotations

from claudeflow.domain.report import LaneStatus, LaneWait, MailboxesStatus, PoolStatus, Spend
from claudeflow.intake.http.errors import NotReady
from claudeflow.intake.http.openapi.operation import Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    MOMENT,
    NUMBER,
    SHARE,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    reference,
)
from claudeflow.policy.caching.entry import PrefixRow


def state_operations(known: Components) -> tuple[Operation, ...]:
    """Status, limits, the cache, and the two questions of whoever supervises the daemon."""
    return (*_reports(known), *_QUESTIONS)


def _reports(known: Components) -> tuple[Operation, ...]:
    status, limits = known.add("Status", _status(known)), known.add("PoolLimits", _limits(known))
    return (
        Operation(
            "show_status",
            "GET",
            "/v1/status",
            "Lanes, pools, holds, spend, and mailboxes in trouble",
            ok(status),
        ),
        Operation(
            "show_limits",
            "GET",
            "/v1/limits",
            "Each pool's limits, and what the next job of each lane waits for",
            ok(answer_of(pools=array_of(limits))),
        ),
        Operation(
            "show_cache",
            "GET",
            "/v1/cache",
            "What is cached, and each workflow's cached share",
            ok(known.add("Cache", _cache(known))),
            (Parameter("workflow", TEXT),),
        ),
    )


_QUESTIONS = (
    Operation(
        "is_healthy",
        "GET",
        "/-/healthy",
        "Whether the process answers",
        ok(answer_of(healthy={"const": True})),
    ),
    Operation(
        "is_ready",
        "GET",
        "/-/ready",
        "Whether jobs are worked on",
        ok(answer_of(ready={"const": True})),
        problems=(NotReady,),
    ),
)


def _status(known: Components) -> Schema:
    return answer_of(
        version=TEXT,
        instance=TEXT,
        phase=TEXT,
        started_at=MOMENT,
        now=MOMENT,
        lanes=array_of(known.row(LaneStatus)),
        pools=array_of(known.row(PoolStatus)),
        holds=array_of(reference("Hold")),
        spend=known.row(Spend),
        mailboxes=known.row(MailboxesStatus),
    )


def _limits(known: Components) -> Schema:
    wait = known.row(LaneWait, {"until_ms": "until"})
    return answer_of(**known.schemas["PoolStatus"]["properties"], waits=array_of(wait))


def _cache(known: Components) -> Schema:
    prefix = known.row(
        PrefixRow,
        {"warm_until_ms": "warm_until", "last_used_ms": "last_used"},
        reads_per_write=nullable(NUMBER),
    )
    share = {
        "cached_share": SHARE,
        "calls": COUNT,
        "prompt_tokens": COUNT,
        "cache_read_tokens": COUNT,
        "last_call": nullable(MOMENT),
    }
    version = answer_of(prompt_name=nullable(TEXT), version=nullable(TEXT), **share)
    workflow = answer_of(workflow=TEXT, **share, versions=array_of(version))
    return answer_of(now=MOMENT, prefixes=array_of(prefix), workflows=array_of(workflow))
