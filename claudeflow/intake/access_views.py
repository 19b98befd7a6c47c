"""Who may do what, as JSON."""

from __future__ import annotations

from typing import Any

from claudeflow.policy.access.grants import Grant, Standing
from claudeflow.policy.access.roles import Role


def standing_to_json(standing: Standing) -> dict[str, Any]:
    """A caller, what it may do, and by which grants."""
    caller, caps = standing.caller, standing.caps
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
    }


def _grant_to_json(grant: Grant) -> dict[str, Any]:
    return {
        "to": str(grant.grantee),
        "roles": list(grant.settings.roles),
        "lanes": list(grant.settings.lanes),
        "workflows": list(grant.settings.workflows),
    }
