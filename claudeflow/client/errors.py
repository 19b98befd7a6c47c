"""What can go wrong for a program that uses the client.

ClaudeflowError
├── RequestRefused         the daemon says no: `code`, `status`, `errors` by field
│   ├── InvalidRequest     a field, a filter or the body is wrong
│   ├── NotPermitted       this caller may not
│   ├── NotFound           no such job
│   ├── Conflict           the job's state does not allow this
│   ├── TryLater           no room now: come back after `retry_after_s`
│   └── DaemonTrouble      the daemon failed; its log says why
├── JobFailed              the job has ended without an answer, or is held: `job`, `error`
├── AnswerGone             the answer is no longer kept
├── WaitTimedOut           the job is not settled yet; also a TimeoutError
└── DaemonUnavailable      no daemon answers; names the socket and the way out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claudeflow.domain.errors import ClaudeflowError

if TYPE_CHECKING:
    from claudeflow.client.values import Job, JobError


_NAME_YOURSELF = '. This client takes the token as token="cf_…", or from CLAUDEFLOW_TOKEN'
"""The way out for whoever is not known."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with what was sent."""

    field: str
    message: str


class RequestRefused(ClaudeflowError):
    """The daemon refused a request. `code` is stable; docs/http.md lists them."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", "unknown"))
        self.retry_after_s = retry_after_s
        self.errors: Sequence[FieldError] = [
            FieldError(str(one.get("field", "")), str(one.get("message", "")))
            for one in problem.get("errors", ())
        ]
        detail = str(problem.get("detail") or f"the daemon answered with HTTP status {status}")
        super().__init__("; ".join(_line(one) for one in self.errors) or detail + self._way_out())

    def _way_out(self) -> str:
        """What to do in this client, which the daemon cannot know."""
        return ""

    @property
    def by_field(self) -> Mapping[str, str]:
        """The first message for each field that is wrong."""
        return {one.field: one.message for one in reversed(self.errors)}


class InvalidRequest(RequestRefused):
    """A field, a filter or the body is wrong."""


class NotPermitted(RequestRefused):
    """This caller may not do this, or is not known."""

    def _way_out(self) -> str:
        return _NAME_YOURSELF if self.code == "unauthenticated" else ""


class NotFound(RequestRefused):
    """There is no such job."""


class Conflict(RequestRefused):
    """The job's state does not allow what was asked."""


class TryLater(RequestRefused):
    """There is no room now; nothing was stored. `retry_after_s` says when to come back."""


class DaemonTrouble(RequestRefused):
    """The daemon failed to answer; its log says why."""


class JobFailed(ClaudeflowError):
    """A job ended without an answer, or is held for a person."""

    def __init__(self, job: Job) -> None:
        self.job = job
        why = job.error.message if job.error else job.wait_reason
        way_out = f"; release it: claudeflow retry {job.id}" if job.state == "held" else ""
        super().__init__(f"job {job.id} {job.state}" + (f": {why}" if why else "") + way_out)

    @property
    def error(self) -> JobError | None:
        """Why, where the job says."""
        return self.job.error


class AnswerGone(ClaudeflowError):
    """A job succeeded, but its answer is no longer kept."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(
            f"the answer of job {job.id} is no longer kept: see [retention] of the configuration"
        )


class WaitTimedOut(ClaudeflowError, TimeoutError):
    """A job was not settled in time. It goes on; wait again."""

    def __init__(self, job: Job) -> None:
        self.job = job
        why = f": {job.wait_reason}" if job.wait_reason else ""
        super().__init__(f"job {job.id} is still {job.state}{why}")


class DaemonUnavailable(ClaudeflowError):
    """No daemon answers at `place`."""

    def __init__(self, place: str, why: str, way_out: str) -> None:
        self.place = place
        super().__init__(f"no daemon at {place} ({why}): {way_out}")


def refusal(status: int, problem: Mapping[str, Any], retry_after_s: float | None) -> RequestRefused:
    """The exception for an answer of 400 or more."""
    return _kind(status, retry_after_s)(status, problem, retry_after_s)


def _kind(status: int, retry_after_s: float | None) -> type[RequestRefused]:
    if status in (401, 403):
        return NotPermitted
    if status == 404:
        return NotFound
    if status == 409:
        return Conflict
    if status == 429 or (status == 503 and retry_after_s is not None):
        return TryLater
    return InvalidRequest if status < 500 else DaemonTrouble


def _line(one: FieldError) -> str:
    return f"{one.field}: {one.message}" if one.field else one.message
