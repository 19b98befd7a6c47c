"""The decisions: may this caller ask for that, and may it send or move a job there. A refusal is a value."""

from __future__ import annotations

from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import IntakeError
from claudeflow.policy.access.errors import Forbidden
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.access.roles import Need, Role, suffices, who_may


def permission(standing: Standing, need: Need, what: str) -> IntakeError | None:
    """Why the caller may not ask for `what` (a route in words) at all; None when it may."""
    roles = standing.roles
    if suffices(need, roles):
        return None
    has = ", ".join(role for role in Role if role in roles) or "none"
    wanted = who_may(need)
    return Forbidden(
        f"{standing.caller} may not: {what} needs the role {wanted}, and its roles are: {has}. "
        f"{_ask(standing, f'role {wanted}')}"
    )


def admission(standing: Standing, lane: str, workflow: str, role: Role = Role.SUBMIT) -> IntakeError | None:
    """Why the caller may not send (as `OPERATE`: move) a job of this workflow to this lane; None: it may."""
    if standing.reaches(role, lane, workflow):
        return None
    verb = "send" if role is Role.SUBMIT else "move"
    may = [
        f"lanes {listed(grant.settings.lanes)} for workflows {listed(grant.settings.workflows)}"
        for grant in standing.grants
        if role in grant.roles
    ]
    has = f"it may {verb} them to: {'; '.join(may)}" if may else f"it may {verb} none"
    return Forbidden(
        f"{standing.caller} may not {verb} jobs of workflow {workflow} to lane {lane}; {has}. "
        f"{_ask(standing, 'lane and the workflow')}"
    )


def grantee_of(caller: Caller) -> str:
    """The table of the configuration that is for this caller alone."""
    if caller.token is not None:
        return f'[access."{caller.name}"]'
    known = caller.uid if caller.name == f"uid:{caller.uid}" else caller.name
    return f'[access."user:{known}"]'


def _ask(standing: Standing, wanted: str) -> str:
    """What the operator would have to change."""
    caller = standing.caller
    return f"Ask whoever runs claudeflow to add the {wanted} to {grantee_of(caller)} in its configuration"


def listed(names: tuple[str, ...]) -> str:
    """Names in a sentence."""
    return ", ".join(names) or "none"
