"""What a failed request about batches means, beyond the one table: did it arrive, is the batch missing."""

from __future__ import annotations

import anthropic

from claudeflow.claude.failures import classify, has_api_body, job_error, never_left
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Failure, Rejected, Transient
from claudeflow.domain.batch import BatchTrouble
from claudeflow.domain.job import JobError

REFUSALS = frozenset({400, 401, 402, 403, 404, 413, 422, 429})
"""Statuses with which the API says that it did nothing. Others (5xx, 529 too) may come after it did."""

NO_BATCH_ID = BatchTrouble(
    Rejected(
        JobError(
            "invalid_batch_id",
            "this is no id of a batch, so nothing was asked: an id has letters, digits, - and _ only",
        )
    ),
    may_have_arrived=False,
)


def trouble_of(error: BaseException, settings: ClaudeSettings, *, names_a_batch: bool) -> BatchTrouble:
    """What one of `failures.FAILURES` means. `names_a_batch`: the request was about one batch by its id."""
    is_answer = has_api_body(error)
    status = error.status_code if isinstance(error, anthropic.APIStatusError) else None
    return BatchTrouble(
        _failure(error, settings),
        may_have_arrived=not never_left(error) and not (is_answer and status in REFUSALS),
        is_missing=names_a_batch and is_answer and status == 404,
    )


def _failure(error: BaseException, settings: ClaudeSettings) -> Failure:
    """By the table, but for 404s: no model is missing here. One that is not the API's own may pass."""
    if isinstance(error, anthropic.APIStatusError) and error.status_code == 404:
        said = job_error(error)
        return Rejected(said) if has_api_body(error) else Transient(said)
    return classify(error, settings)
