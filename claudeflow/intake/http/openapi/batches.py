"""Calls that jobs share: Message Batches, and packs."""

from __future__ import annotations

from claudeflow.domain.batch_report import BatchesWaiting, BatchRow, BatchSpendRow
from claudeflow.domain.errors import BatchNotFound, Conflict, IntakeError, PackNotFound
from claudeflow.intake.desks.packs import PackReport
from claudeflow.intake.http.openapi.operation import JSON, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    FLAG,
    ID,
    MOMENT,
    NUMBER,
    TEXT,
    WHOLE,
    Components,
    answer_of,
    array_of,
    nullable,
    sent,
)

_BATCH_MOMENTS = {
    "made_ms": "made_at",
    "created_ms": "created_at",
    "expires_ms": "expires_at",
    "ended_ms": "ended_at",
    "done_ms": "done_at",
}


def batch_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/batches."""
    spend = known.row(BatchSpendRow, saved_nanousd=WHOLE)
    known.row(BatchRow, _BATCH_MOMENTS, results_until=nullable(MOMENT), spend=nullable(spend))
    batch = known.add("Batch", known.schemas.pop("BatchRow"))
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
