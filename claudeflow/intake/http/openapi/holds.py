"""What is held, and by whom."""

from __future__ import annotations

from claudeflow.domain.hold import HoldAction, HoldCause
from claudeflow.intake.desks.holds import HoldNotFound, InvalidHold
from claudeflow.intake.http.openapi.money import CHANGES_LISTED
from claudeflow.intake.http.openapi.operation import JSON, Answer, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    MOMENT,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
    sent,
)

_SCOPE: Schema = {
    "type": "string",
    "pattern": "^(all|(pool|model|lane|workflow|job):.+)$",
    "examples": ["lane:bulk", "workflow:ticket-triage", "all"],
}


_CAUSE = one_of(HoldCause)
_HOLD: dict[str, Schema] = {
    "scope": TEXT,
    "cause": _CAUSE,
    "reason": TEXT,
    "since": MOMENT,
    "until": nullable(MOMENT),
    "probe_at": nullable(MOMENT),
    "set_by": nullable(TEXT),
    "way_out": TEXT,
}
_CHANGE = answer_of(
    at=MOMENT,
    action=one_of(HoldAction),
    scope=TEXT,
    cause=_CAUSE,
    reason=TEXT,
    who=TEXT,
    until=nullable(MOMENT),
)


def hold_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served below /v1/holds."""
    hold = known.add("Hold", answer_of(**_HOLD))
    held = known.add("HoldInForce", answer_of(**_HOLD, waiting_jobs=COUNT))
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
            ok(answer_of(changes=array_of(_CHANGE))),
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
                Parameter("cause", _CAUSE),
                Parameter("reason", TEXT),
            ),
            problems=(InvalidHold, HoldNotFound),
        ),
    )
