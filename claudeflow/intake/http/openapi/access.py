"""Who may do what."""

from __future__ import annotations

from claudeflow.domain.errors import Conflict
from claudeflow.intake.desks.access import InvalidToken, TokenNotFound
from claudeflow.intake.http.openapi.operation import JSON, Answer, Operation, Parameter, ok
from claudeflow.intake.http.openapi.shapes import (
    COUNT,
    MOMENT,
    NANOUSD,
    NUMBER,
    TEXT,
    Components,
    Schema,
    answer_of,
    array_of,
    nullable,
    one_of,
    sent,
)
from claudeflow.policy.access.roles import Role

ROLES: Schema = array_of(one_of(Role))
_ALLOWS: dict[str, Schema] = {
    "roles": ROLES,
    "lanes": array_of(TEXT),
    "workflows": array_of(TEXT),
    "max_queued": COUNT,
    "jobs_per_min": NUMBER,
    "usd_per_day": NUMBER,
}
_TOKEN: dict[str, Schema] = {
    "name": TEXT,
    "state": one_of(("in_force", "expired", "revoked")),
    **_ALLOWS,
    "created_at": MOMENT,
    "created_by": TEXT,
    "expires_at": nullable(MOMENT),
    "revoked_at": nullable(MOMENT),
    "revoked_by": nullable(TEXT),
    "last_used": nullable(MOMENT),
}
_NEW_TOKEN = sent(
    ["name"],
    name={"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,31}$", "examples": ["ci"]},
    expires_at=nullable(TEXT),
    **{name: nullable(schema) for name, schema in _ALLOWS.items()},
)


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
    token = known.add("Token", answer_of(**_TOKEN))
    return (
        Operation("whoami", "GET", "/v1/whoami", "Who asks, and what it may do", ok(caller)),
        Operation("list_tokens", "GET", "/v1/tokens", "Every token", ok(answer_of(tokens=array_of(token)))),
        Operation(
            "create_token",
            "POST",
            "/v1/tokens",
            "Make a token, whose text is shown this once",
            {201: Answer("Created", {JSON: answer_of(**_TOKEN, token=TEXT)})},
            body={JSON: _NEW_TOKEN},
            problems=(InvalidToken, Conflict),
        ),
        Operation(
            "revoke_token",
            "DELETE",
            "/v1/tokens/{name}",
            "Revoke a token",
            ok(token),
            (Parameter("name", TEXT, where="path"),),
            problems=(TokenNotFound,),
        ),
    )
