"""What people see of batches."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.domain.batch import BatchCounts, BatchState


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One of our batches. Times are epoch ms; `counts` are what the API told last.

    `requests` are in it, `booked` of them in the books; the jobs of `left` wait for it no more. `warms`: it
    writes prefixes for those behind it. `cancel_by` wants it stopped, `problem` stands in its way.
    """

    id: int
    state: BatchState
    api_id: str | None
    requests: int
    booked: int
    left: int
    counts: BatchCounts
    made_ms: int
    created_ms: int | None
    expires_ms: int | None
    ended_ms: int | None
    done_ms: int | None
    size_bytes: int
    warms: bool
    marks: int
    cancel_by: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class BatchSpendRow:
    """What a batch cost so far: its settled requests, and at most what the others may.

    `unbatched_nanousd` is what the settled ones would have cost by Messages.
    """

    cost_nanousd: int
    bound_nanousd: int
    unbatched_nanousd: int
    input_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class BatchesWaiting:
    """The jobs of a lane's workflow and model that wait for a batch; `why` and until when, in epoch ms."""

    lane: str
    workflow: str
    model: str
    requests: int
    size_bytes: int
    oldest_ms: int
    why: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class BatchesView:
    """Batches, newest first, what waits for the next one, and how long one usually takes."""

    batches: tuple[BatchRow, ...]
    waiting: tuple[BatchesWaiting, ...]
    usual_s: float
