"""Steps: what the logic of the client wants done. Two drivers carry them out, one blocking, one async.

Each operation is a generator (a flow) that yields steps and is sent what came of them, so that there is
one logic for both clients, and tests can see it without a daemon.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

ANSWER_TIMEOUT_S = 60.0


class Broken(Exception):
    """Thrown into a flow: a request was not answered, or a stream broke off. `why` is in words."""

    def __init__(self, why: str, *, is_permitted: bool = True) -> None:
        self.why = why
        self.is_permitted = is_permitted
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request; comes to an Answer. May be repeated: a POST has an idempotency key."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = ANSWER_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Open:
    """Begin to read a stream; comes to an Answer, whose body is there only when it is a refusal."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Read:
    """The next piece of the open stream; comes to bytes, empty at its end."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Read the stream no more."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let so much time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pull:
    """The next of what is mapped; comes to a mapping, or None when there is no more."""


@dataclass(frozen=True, slots=True)
class Give:
    """One of the results that an iterating flow is about."""

    value: Any


Step = Ask | Open | Read | Shut | Sleep | Pull | Give
Flow = Generator[Step, Any, T]
