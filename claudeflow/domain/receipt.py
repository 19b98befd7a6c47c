"""Receipts: what a keyed request was answered, so that a repeated one is answered the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a keyed request. `fingerprint` is a hash over all that was asked.

    A key belongs to its `caller`: another's request with the same key is another request.
    """

    caller: str
    key: str
    fingerprint: bytes
    status: int
    location: str | None
    answer: bytes
