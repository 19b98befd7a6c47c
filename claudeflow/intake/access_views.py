"""Who may do what, as JSON."""

from __future__ import annotations

from typing import Any

from claudeflow.intake.desks.access import SentLately
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
