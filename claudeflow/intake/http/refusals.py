"""Who was turned away: told as an event, whatever the handler made of the refusal."""

from __future__ import annotations

from starlette.requests import Request

from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import IntakeError
from claudeflow.intake.desks.access import AccessDesk
from claudeflow.intake.http.door.peers import PEER
from claudeflow.intake.http.errors import ForeignOrigin, WrongHost
from claudeflow.policy.access.errors import (
    Forbidden,
    RateCapped,
    SpendCapped,
    TooManyJobs,
    Unauthenticated,
)
from claudeflow.policy.access.grants import Standing

STANDING = "claudeflow.standing"
"""Where a request has its caller, once that is known."""
ROUTE = "claudeflow.route"
"""Where it has its route: method and path, with parameters in braces."""

OF_CALLERS = (Unauthenticated, Forbidden, TooManyJobs, RateCapped, SpendCapped, ForeignOrigin, WrongHost)
"""Refusals of whoever calls. Others are of what was asked, or of nobody."""


def peer_of_request(request: Request) -> Caller | None:
    """The Unix user behind the connection; None when it is not a Unix one."""
    found: Caller | None = request.scope.get("state", {}).get(PEER)
    return found


def tell_refusal(access: AccessDesk, request: Request, error: IntakeError, times: int = 1) -> None:
    """Tell of an error that turns a caller away, for so many of its jobs; others are not told."""
    if not isinstance(error, OF_CALLERS):
        return
    peer = peer_of_request(request)
    access.refused(
        CallerRefused(
            caller=_name(request, error, peer),
            via="tcp" if peer is None else "socket",
            pid=None if peer is None else peer.pid,
            route=request.scope[ROUTE],
            code=error.code,
            times=times,
        )
    )


def _name(request: Request, error: IntakeError, peer: Caller | None) -> str | None:
    """Who was turned away. A token that is not valid names nobody: whoever connected showed it."""
    standing: Standing | None = request.scope.get(STANDING)
    if standing is not None:
        return standing.caller.name
    if isinstance(error, Unauthenticated) and error.caller is not None:
        return error.caller
    return None if peer is None else peer.name
