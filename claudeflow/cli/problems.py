"""Problems: the one place where errors become an exit code and lines on stderr."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from claudeflow.cli.exits import Exit
from claudeflow.domain.errors import ClaudeflowError, ConfigError, DaemonUnreachable, InvalidJob, StoreLocked

if TYPE_CHECKING:
    from claudeflow.cli.remote import Answer

EXIT_OF_CODE: Mapping[str, Exit] = {
    "invalid_job": Exit.USAGE,
    "job_not_found": Exit.NOT_FOUND,
    "batch_not_found": Exit.NOT_FOUND,
    "pack_not_found": Exit.NOT_FOUND,
    "mailbox_not_found": Exit.NOT_FOUND,
    "hold_not_found": Exit.NOT_FOUND,
    "invalid_hold": Exit.USAGE,
    "budget_not_found": Exit.NOT_FOUND,
    "invalid_budget": Exit.USAGE,
    "nothing_to_release": Exit.CONFLICT,
    "token_not_found": Exit.NOT_FOUND,
    "invalid_token": Exit.USAGE,
    "conflict": Exit.CONFLICT,
    "lane_full": Exit.FAILED,
    "no_admin_key": Exit.BAD_CONFIG,
    "no_report": Exit.UNREACHABLE,
    "nothing_compared": Exit.NOT_FOUND,
    "not_found": Exit.FAILED,
}
"""Stable `code` of a problem document → exit code."""

EXIT_OF_STATUS: Mapping[int, Exit] = {
    400: Exit.USAGE,
    401: Exit.NOT_PERMITTED,
    403: Exit.NOT_PERMITTED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
}
"""HTTP status → exit code, for a `code` this version does not know. Anything else has failed."""

NO_DAEMON = (
    "start it (systemctl start claudeflow, or claudeflow run), "
    "or name the socket of another one with --socket"
)
"""The way out where only a daemon will do."""


class Failure(ClaudeflowError):
    """A verb cannot go on: its exit code, and one line for each mistake."""

    def __init__(self, exit_code: Exit, lines: str | Sequence[str]) -> None:
        self.exit_code = exit_code
        self.lines = [lines] if isinstance(lines, str) else list(lines)
        super().__init__("\n".join(self.lines))


def failure_of_answer(answer: Answer) -> Failure:
    """What an HTTP answer of 400 or more means to the person who typed the command."""
    problem = problem_of(answer)
    code = str(problem.get("code", ""))
    exit_code = EXIT_OF_CODE.get(code) or EXIT_OF_STATUS.get(answer.status, Exit.FAILED)
    mistakes = problem.get("errors") or []
    lines = [mistake_line(mistake) for mistake in mistakes]
    if not mistakes or "line" in mistakes[0]:
        lines.append(str(problem.get("detail") or f"the daemon answered with HTTP status {answer.status}"))
    retry_after = answer.headers.get("retry-after")
    if retry_after:
        lines[-1] += f" (try again in {retry_after} s)"
    return Failure(exit_code, lines)


def mistake_line(mistake: Mapping[str, Any]) -> str:
    """One mistake of a problem document: `line 3: max_tokens: must be at least 1`."""
    line = mistake.get("line")
    parts = (f"line {line}" if line is not None else "", mistake.get("field"), mistake.get("message"))
    return ": ".join(str(part) for part in parts if part)


def config_lines(error: ConfigError) -> list[str]:
    """A line for each mistake."""
    lines = [str(mistake) for mistake in error.mistakes] or [str(error)]
    return [f"{error.source}: {line}" for line in lines]


def failure_of_error(error: Exception) -> Failure | None:
    """The failure that a known exception stands for; None for one that nobody expected."""
    match error:
        case Failure():
            return error
        case click.UsageError():
            return Failure(Exit.USAGE, error.format_message())
        case click.ClickException():
            return Failure(Exit.FAILED, error.format_message())
        case ConfigError():
            return Failure(Exit.BAD_CONFIG, config_lines(error))
        case InvalidJob():
            return Failure(Exit.USAGE, [str(mistake) for mistake in error.mistakes])
        case DaemonUnreachable():
            return Failure(Exit.UNREACHABLE, f"{error}: {NO_DAEMON}")
        case StoreLocked():
            return Failure(Exit.UNREACHABLE, str(error))
        case PermissionError():
            return Failure(Exit.NOT_PERMITTED, f"not permitted: {error.filename or error}")
        case ClaudeflowError():
            return Failure(Exit.FAILED, str(error))
        case _:
            return None


def problem_of(answer: Answer) -> Mapping[str, Any]:
    """The problem document of an error answer; empty when something else answered."""
    try:
        problem = json.loads(answer.body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
