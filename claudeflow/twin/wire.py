"""Requests and answers as the twin sees them, whichever way they travel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from claudeflow.twin.headers import Header


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request. Header names are in lower case; `scheme` is that of the client's URL."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    scheme: str = "https"


class Body(Protocol):
    """A body that comes in pieces. Close it, read to the end or not."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; ConnectionDropped when the twin cuts the connection."""

    async def aclose(self) -> None:
        """Say that nobody reads any further."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP response."""

    status: int
    headers: list[Header]
    body: bytes | Body = b""


@dataclass(frozen=True, slots=True)
class Visit:
    """One call's place in time: monotonic `now`, what turns it into seconds since 1970, and its id."""

    request_id: str
    now: float
    offset_s: float

    @property
    def epoch_s(self) -> float:
        """When the call arrived, in seconds since 1970."""
        return self.now + self.offset_s

    @property
    def message_id(self) -> str:
        """The id of the message that answers the call."""
        return "msg_" + self.request_id.removeprefix("req_")
