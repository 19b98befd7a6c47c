"""Who may do what."""

from __future__ import annotations

from claudeflow.intake.http.openapi.operation import Operation, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    NANOUSD,
    NUMBER,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
)
from claudeflow.policy.access.roles import Role

ROLES: Schema = array_of(one_of(Role))


def access_operations(known: Components) -> tuple[Operation, ...]:
    """All that is served about access."""
    grant = answer_of(to=TEXT, roles=ROLES, lanes=array_of(TEXT), workflows=array_of(TEXT))
    caps = answer_of(
        max_queued=nullable(COUNT), jobs_per_min=nullable(NUMBER), nanousd_per_day=nullable(COUNT)
    )
    used = answer_of(
        queued=COUNT,
        jobs_now=nullable(COUNT),
        spent_nanousd=NANOUSD,
        unknown_nanousd=NANOUSD,
        in_flight_nanousd=NANOUSD,
    )
    caller = answer_of(
        name=TEXT,
        uid=nullable(COUNT),
        groups=array_of(COUNT),
        token=nullable(TEXT),
        roles=ROLES,
        grants=array_of(known.add("Grant", grant)),
        caps=caps,
        used=used,
    )
    return (Operation("whoami", "GET", "/v1/whoami", "Who asks, and what it may do", ok(caller)),)
