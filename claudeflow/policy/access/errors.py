"""Why somebody is turned away: whatever door it is, the error says its status and code."""

from __future__ import annotations

from claudeflow.domain.errors import IntakeError


class Unauthenticated(IntakeError):
    """Nobody knows who calls: no user, no token, or a token that is not valid."""

    code = "unauthenticated"
    http_status = 401


class Forbidden(IntakeError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    http_status = 403
