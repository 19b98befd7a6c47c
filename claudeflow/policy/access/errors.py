"""Why somebody is turned away: whatever door it is, the error says its status and code."""

from __future__ import annotations

from claudeflow.domain.errors import IntakeError


class Unauthenticated(IntakeError):
    """Nobody knows who calls: no user, no token, or a token that is not valid."""

    code = "unauthenticated"
    http_status = 401

    def __init__(self, message: str, caller: str | None = None) -> None:
        """`caller` is who it would have been, where that is certain."""
        super().__init__(message)
        self.caller = caller


class Forbidden(IntakeError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    http_status = 403


class TooManyJobs(IntakeError):
    """The caller has as many jobs in the queue as it may."""

    code = "too_many_jobs"
    http_status = 429


class RateCapped(IntakeError):
    """The caller sends more jobs a minute than it may."""

    code = "rate_capped"
    http_status = 429


class SpendCapped(IntakeError):
    """The caller's jobs have cost today what they may."""

    code = "spend_capped"
    http_status = 429
