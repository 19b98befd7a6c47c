"""The exception tree.

    ClaudeflowError
    ├── ConfigError            exit 78; every mistake with its key path
    ├── IntakeError            the caller's fault: HTTP 4xx, exit 2
    │   ├── InvalidJob         one or more fields are wrong
    │   ├── JobNotFound        HTTP 404, exit 5; so are BatchNotFound and what else is not there
    │   ├── Conflict           the job's state does not allow this: HTTP 409, exit 6
    │   └── QueueFull          the lane takes no more for now: HTTP 503, Retry-After
    ├── PromptError            a prompt folder is wrong; names the file
    ├── StoreError             the store cannot be used; SchemaTooNew, StoreLocked
    └── DaemonUnreachable      CLI only, exit 3

Failures of the Claude API are not here: they are `Outcome` values.
"""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.words import plural


class ClaudeflowError(Exception):
    """Anything that claudeflow itself raises."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with what was given: where, what, and the way out."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ConfigError(ClaudeflowError):
    """The configuration cannot be used. Carries every mistake found."""

    def __init__(self, source: str, mistakes: list[Mistake]) -> None:
        self.source = source
        self.mistakes = mistakes
        super().__init__(
            "\n".join([f"{source}: {plural(len(mistakes), 'mistake')}", *(f"  {m}" for m in mistakes)])
        )


class IntakeError(ClaudeflowError):
    """The caller's fault. `code` is stable and documented in docs/http.md.

    `retry_after_s` is there when the same may be asked again after so many seconds.
    """

    code = "bad_request"
    http_status = 400

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s: int | None = retry_after_s


class InvalidJob(IntakeError):
    """A job that cannot be accepted. Carries every mistake found."""

    code = "invalid_job"
    http_status = 422

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(str(m) for m in mistakes))


class JobNotFound(IntakeError):
    """No job has this id."""

    code = "job_not_found"
    http_status = 404


class BatchNotFound(IntakeError):
    """No batch has this number."""

    code = "batch_not_found"
    http_status = 404


class MailboxNotFound(IntakeError):
    """No mailbox has this name."""

    code = "mailbox_not_found"
    http_status = 404


class PackNotFound(IntakeError):
    """No prompt of this name is packed, or was."""

    code = "pack_not_found"
    http_status = 404


class Conflict(IntakeError):
    """The job's state does not allow what was asked."""

    code = "conflict"
    http_status = 409


class QueueFull(IntakeError):
    """The lane has reached its `max_queued`; nothing that was accepted is dropped."""

    code = "lane_full"
    http_status = 503
    retry_after_s: int

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s)


class PromptError(ClaudeflowError):
    """A prompt folder cannot be used; the message names file and remedy."""


class StoreError(ClaudeflowError):
    """The store cannot be used."""


class SchemaTooNew(StoreError):
    """The store was written by a newer claudeflow."""


class StoreLocked(StoreError):
    """Another process owns the store."""


class DaemonUnreachable(ClaudeflowError):
    """No daemon answers on the socket."""
