"""What is held, what limits, what is cached, packed and batched, and how everything stands."""

from __future__ import annotations

from claudeflow.domain.batch_report import BatchesWaiting, BatchRow, BatchSpendRow
from claudeflow.domain.errors import BatchNotFound, Conflict, IntakeError, PackNotFound
from claudeflow.domain.hold import HoldAction, HoldCause
from claudeflow.domain.report import LaneStatus, LaneWait, PoolStatus, Spend
from claudeflow.intake.desks.holds import HoldNotFound, InvalidHold
from claudeflow.intake.desks.packs import PackReport
from claudeflow.intake.http.errors import NotReady
from claudeflow.intake.http.openapi.money import CHANGES_LISTED
from claudeflow.intake.http.openapi.operation import JSON, Answer, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    FLAG,
    ID,
    MOMENT,
    NUMBER,
    SHARE,
    TEXT,
    WHOLE,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
    sent,
)
from claudeflow.policy.caching.entry import PrefixRow

_BATCH_MOMENTS = {
    "made_ms": "made_at",
    "created_ms": "created_at",
    "expires_ms": "expires_at",
    "ended_ms": "ended_at",
    "done_ms": "done_at",
}


_SCOPE: Schema = {
    "type": "string",
    "pattern": "^(all|(pool|model|lane|workflow|job):.+)$",
    "examples": ["lane:bulk", "workflow:ticket-triage", "all"],
}


def hold_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/holds."""
    cause = one_of(HoldCause)
    fields = {
        "scope": TEXT,
        "cause": cause,
        "reason": TEXT,
        "since": MOMENT,
        "until": nullable(MOMENT),
        "probe_at": nullable(MOMENT),
        "set_by": nullable(TEXT),
        "way_out": TEXT,
    }
    hold = known.add("Hold", answer_of(**fields))
    held = known.add("HoldInForce", answer_of(**fields, waiting_jobs=COUNT))
    change = answer_of(
        at=MOMENT,
        action=one_of(HoldAction),
        scope=TEXT,
        cause=cause,
        reason=TEXT,
        who=TEXT,
        until=nullable(MOMENT),
    )
    return (
        Operation(
            "list_holds",
            "GET",
            "/v1/holds",
            "What is held, the oldest first",
            ok(answer_of(holds=array_of(held))),
        ),
        Operation(
            "set_hold",
            "POST",
            "/v1/holds",
            "Hold a scope by hand, or change such a hold",
            {
                201: Answer("Held", {JSON: hold}, {"location": "The path of the hold."}),
                **ok(hold, "Changed"),
            },
            body={JSON: sent(["scope", "reason"], scope=_SCOPE, reason=TEXT, until=nullable(TEXT))},
            problems=(InvalidHold,),
        ),
        Operation(
            "list_hold_changes",
            "GET",
            "/v1/holds/history",
            "Who held and released what, the newest first",
            ok(answer_of(changes=array_of(change))),
            (CHANGES_LISTED,),
        ),
        Operation(
            "release_hold",
            "DELETE",
            "/v1/holds/{scope}",
            "Release a hold",
            ok(answer_of(released=array_of(hold), remaining=array_of(hold))),
            (
                Parameter("scope", _SCOPE, where="path"),
                Parameter("cause", cause),
                Parameter("reason", TEXT),
            ),
            problems=(InvalidHold, HoldNotFound),
        ),
    )


def batch_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/batches."""
    spend = known.row(BatchSpendRow, saved_nanousd=WHOLE)
    batch = known.row(BatchRow, _BATCH_MOMENTS, results_until=nullable(MOMENT), spend=nullable(spend))
    known.add("Batch", known.schemas.pop("BatchRow"))
    batch = {"$ref": "#/components/schemas/Batch"}
    waiting = known.row(BatchesWaiting, {"oldest_ms": "oldest_at", "until_ms": "until"})
    number = Parameter("batch_id", ID, where="path")
    return (
        Operation(
            "list_batches",
            "GET",
            "/v1/batches",
            "Batches, newest first, and what waits for the next one",
            ok(
                answer_of(
                    batches=array_of(batch), next=nullable(ID), waiting=array_of(waiting), usual_s=NUMBER
                )
            ),
            (
                Parameter("before", ID, "The `next` of the page before."),
                Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
            ),
        ),
        Operation(
            "show_batch",
            "GET",
            "/v1/batches/{batch_id}",
            "One batch, with what it cost and saved",
            ok(batch),
            (number,),
            problems=(BatchNotFound,),
        ),
        Operation(
            "cancel_batch",
            "POST",
            "/v1/batches/{batch_id}/cancel",
            "Have a batch stopped; its jobs go on in another way, or are cancelled",
            ok(batch),
            (number,),
            body={JSON: sent(jobs=FLAG)},
            body_is_needed=False,
            problems=(IntakeError, BatchNotFound, Conflict),
        ),
    )


def pack_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/packs."""
    packs = answer_of(prompts=array_of(known.row(PackReport)))
    return (
        Operation("list_packs", "GET", "/v1/packs", "What packs have done, by prompt version", ok(packs)),
        Operation(
            "reset_pack",
            "POST",
            "/v1/packs/{name}/reset",
            "Forget what canaries have shown of a prompt",
            ok(packs),
            (Parameter("name", TEXT, where="path"),),
            problems=(PackNotFound,),
        ),
    )


def state_operations(known: Components) -> tuple[Operation, ...]:
    """Status, limits, the cache, and the two questions of whoever supervises the daemon."""
    pool = known.row(PoolStatus)
    wait = known.row(LaneWait, {"until_ms": "until"})
    waits = known.schemas["PoolStatus"]["properties"] | {"waits": array_of(wait)}
    status = answer_of(
        version=TEXT,
        instance=TEXT,
        phase=TEXT,
        started_at=MOMENT,
        now=MOMENT,
        lanes=array_of(known.row(LaneStatus)),
        pools=array_of(pool),
        holds=array_of({"$ref": "#/components/schemas/Hold"}),
        spend=known.row(Spend),
    )
    return (
        Operation(
            "show_status",
            "GET",
            "/v1/status",
            "Lanes, pools, holds and spend",
            ok(known.add("Status", status)),
        ),
        Operation(
            "show_limits",
            "GET",
            "/v1/limits",
            "Each pool's limits, and what the next job of each lane waits for",
            ok(answer_of(pools=array_of(known.add("PoolLimits", answer_of(**waits))))),
        ),
        Operation(
            "show_cache",
            "GET",
            "/v1/cache",
            "What is cached, and each workflow's cached share",
            ok(known.add("Cache", _cache(known))),
            (Parameter("workflow", TEXT),),
        ),
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
