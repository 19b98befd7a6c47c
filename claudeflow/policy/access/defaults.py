"""Where jobs go that do not say: clients that can send no headers get by with what their grant names."""

from __future__ import annotations

from collections.abc import Container

from claudeflow.policy.access.grants import Standing, matches
from claudeflow.policy.access.roles import Role


def usual_place(by: Standing, lane: str, workflow: str, lanes: Container[str]) -> tuple[str, str]:
    """Lane and workflow of the jobs of this caller that name none.

    The configured ones where it may use both together. Else each of them where its first grant to send
    covers it, or the first name without wildcards in that grant; of lanes only those in `lanes`.
    """
    if by.reaches(Role.SUBMIT, lane, workflow):
        return lane, workflow
    grant = next((grant for grant in by.grants if Role.SUBMIT in grant.roles), None)
    if grant is None:
        return lane, workflow
    named_lanes = [name for name in _names(grant.settings.lanes) if name in lanes]
    return (
        _usual(lane, grant.settings.lanes, named_lanes),
        _usual(workflow, grant.settings.workflows, _names(grant.settings.workflows)),
    )


def _usual(usual: str, patterns: tuple[str, ...], names: list[str]) -> str:
    return usual if matches(usual, patterns) or not names else names[0]


def _names(patterns: tuple[str, ...]) -> list[str]:
    return [pattern for pattern in patterns if not {"*", "?"} & set(pattern)]
