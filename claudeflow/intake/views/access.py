"""Who may do what, as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from claudeflow.domain.token import Token
from claudeflow.intake.desks.access import SentLately
from claudeflow.intake.times import write_time
from claudeflow.policy.access.grants import Grant, Standing
from claudeflow.policy.access.roles import Role


def standing_to_json(standing: Standing, lately: SentLately) -> dict[str, Any]:
    """A caller, what it may do, by which grants, and what it has used of its caps."""
    caller, caps, used = standing.caller, standing.caps, lately.used
    return {
        "name": caller.name,
        "uid": caller.uid,
        "groups": sorted(caller.groups),
        "token": caller.token,
        "roles": [role.value for role in Role if role in standing.roles],
        "grants": [_grant_to_json(grant) for grant in standing.grants],
        "caps": {
            "max_queued": caps.max_queued,
            "jobs_per_min": caps.jobs_per_min,
            "nanousd_per_day": caps.nanousd_per_day,
        },
        "used": {
            "queued": used.queued,
            "jobs_now": None if lately.jobs_now is None else int(lately.jobs_now),
            "spent_nanousd": used.cost_nanousd,
            "unknown_nanousd": used.unknown_nanousd,
            "in_flight_nanousd": used.open_nanousd,
        },
    }


def _grant_to_json(grant: Grant) -> dict[str, Any]:
    return {
        "to": str(grant.grantee),
        "roles": list(grant.settings.roles),
        "lanes": list(grant.settings.lanes),
        "workflows": list(grant.settings.workflows),
    }


def token_to_json(token: Token, now_ms: int) -> dict[str, Any]:
    """A token, without what it is recognised by."""
    return {
        "name": token.name,
        "state": _state_of(token, now_ms),
        **orjson.loads(token.allows),
        "created_at": write_time(token.created_ms),
        "created_by": token.created_by,
        "expires_at": write_time(token.expires_ms),
        "revoked_at": write_time(token.revoked_ms),
        "revoked_by": token.revoked_by,
        "last_used": write_time(token.last_used_ms),
    }


def _state_of(token: Token, now_ms: int) -> str:
    if token.revoked_ms is not None:
        return "revoked"
    return "expired" if token.has_expired(now_ms) else "in_force"
