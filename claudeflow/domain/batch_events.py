"""Events of Message Batches. `batch_id` is our number of a batch, `api_id` the API's name for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchCreated:
    """The API has a batch, `waited_s` after it was begun. `found`: the answer was lost, the list named it."""

    batch_id: int
    api_id: str
    requests: int
    size_bytes: int
    waited_s: float
    found: bool = False


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """A batch was not created, or nobody knows. `error_type` says why, `what_next` what follows."""

    batch_id: int
    requests: int
    error_type: str
    what_next: str


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """The API is through with a batch, `took_s` after its creation. Counts are of its requests."""

    batch_id: int
    api_id: str
    took_s: float
    succeeded: int
    errored: int
    canceled: int
    expired: int


@dataclass(frozen=True, slots=True)
class BatchBooked:
    """Every request of a batch is in the books. `unbatched_nanousd` is what Messages would have cost."""

    batch_id: int
    api_id: str
    requests: int
    cost_nanousd: int
    unbatched_nanousd: int


@dataclass(frozen=True, slots=True)
class BatchLate:
    """So many jobs wait no more for their batch, because of their deadlines: they go by themselves."""

    batch_id: int
    jobs: int


@dataclass(frozen=True, slots=True)
class BatchCancelAsked:
    """The API was asked to stop a batch, as `who` wanted."""

    batch_id: int
    api_id: str
    who: str


@dataclass(frozen=True, slots=True)
class BatchLost:
    """The API has a batch, or its results, no more: `jobs` went back to the queue."""

    batch_id: int
    jobs: int
    why: str


BatchEvent = BatchCreated | BatchRefused | BatchEnded | BatchBooked | BatchLate | BatchCancelAsked | BatchLost
