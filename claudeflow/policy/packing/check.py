"""Check: which answers of a pack can be trusted, item by item.

An answer is delivered when nothing speaks against it: its id stands in one entry alone, its seal is
its own and stands nowhere else, it fits the schema, and no text that could not be read names it.
All other items go out again singly. With `Verify.ID` there is no seal to tell answers under
exchanged ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from claudeflow.domain.prompt import Verify
from claudeflow.policy.packing.frames import Seat
from claudeflow.policy.packing.reader import Ending, Entry, Reading, read


class Reason(StrEnum):
    """Why an item was not answered. Kept in statistics: never rename."""

    MISSING = "missing"
    """No entry has its id."""
    REPEATED = "repeated"
    """Several entries have its id."""
    MIXED_UP = "mixed_up"
    """A seal stood under another item's id: either item's, for neither can be trusted."""
    WRONG_SEAL = "wrong_seal"
    """The seal is none of this pack, or there is none."""
    INVALID = "invalid"
    """The entry or the answer breaks its schema, or holds what cannot be written as JSON again."""
    TRUNCATED = "truncated"
    """The text ended before its entry did."""
    UNREADABLE = "unreadable"
    """What may be its entry is no JSON, or has a key twice."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The JSON of an item's answer, with its keys in the order in which they came.

    `size_bytes` is what the model wrote for the item, its entry included.
    """

    answer: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Returned:
    """The item must go out singly. `size_bytes` is what the model wrote under its id."""

    reason: Reason
    size_bytes: int = 0


Verdict = Answered | Returned


@dataclass(frozen=True, slots=True)
class Findings:
    """A verdict for each seat, in their order, and how many entries had an id that no seat has."""

    verdicts: tuple[Verdict, ...]
    unknown: int

    @property
    def answered(self) -> int:
        """How many items have their answer."""
        return sum(isinstance(verdict, Answered) for verdict in self.verdicts)


Mismatch = Callable[[Any], str | None]
"""Why an answer breaks the prompt's schema; None when it does not."""


def check(text: str, seats: Sequence[Seat], verify: Verify, mismatch: Mismatch) -> Findings:
    """Judge the answer to a pack. Whatever the text is, every seat gets a verdict."""
    reading = read(text)
    ids = {seat.slot for seat in seats}
    by_id: defaultdict[str, list[Entry]] = defaultdict(list)
    unknown = 0
    for entry in reading.entries:
        name = entry.fields.get("id")
        if isinstance(name, str) and name in ids:
            by_id[name].append(entry)
        else:
            unknown += 1
    judge = _Judge(reading, _mixed_up(reading.entries, seats), verify, mismatch)
    return Findings(tuple(judge.verdict(seat, by_id[seat.slot]) for seat in seats), unknown)


def _mixed_up(entries: Iterable[Entry], seats: Sequence[Seat]) -> frozenset[str]:
    """The ids that have another's seal in an entry, and those whose seal it is."""
    owners = {seat.seal: seat.slot for seat in seats if seat.seal}
    mixed: set[Any] = set()
    for entry in entries:
        name, seal = entry.fields.get("id"), entry.fields.get("seal")
        owner = owners.get(seal) if isinstance(seal, str) else None
        if owner is not None and owner != name:
            mixed |= {owner, name} if isinstance(name, str) else {owner}
    return frozenset(mixed)


_WITHOUT_ENTRY: Mapping[Ending, Reason] = {
    Ending.WHOLE: Reason.MISSING,
    Ending.CUT: Reason.TRUNCATED,
    Ending.BROKEN: Reason.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class _Judge:
    reading: Reading
    mixed_up: frozenset[str]
    verify: Verify
    mismatch: Mismatch

    def verdict(self, seat: Seat, entries: list[Entry]) -> Verdict:
        size_bytes = sum(entry.size_bytes for entry in entries)
        reason = self._doubt(seat, len(entries))
        if reason is not None:
            return Returned(reason, size_bytes)
        found = self._answer(seat, entries[0].fields)
        return Returned(found, size_bytes) if isinstance(found, Reason) else Answered(found, size_bytes)

    def _doubt(self, seat: Seat, entries: int) -> Reason | None:
        """Why the item has no entry to be judged by; None when it has one, and one alone."""
        if entries > 1:
            return Reason.REPEATED
        if seat.slot in self.mixed_up:
            return Reason.MIXED_UP
        ending = self.reading.ending
        if self._is_named_outside(seat):
            return Reason.TRUNCATED if ending is Ending.CUT else Reason.UNREADABLE
        return None if entries else _WITHOUT_ENTRY[ending]

    def _is_named_outside(self, seat: Seat) -> bool:
        """Whether text that was not read as an entry names the item: it may say something else of it."""
        unread = self.reading.unread
        return seat.slot in unread or bool(seat.seal and seat.seal in unread)

    def _answer(self, seat: Seat, fields: Mapping[str, Any]) -> bytes | Reason:
        is_sealed = self.verify is Verify.SEAL
        if is_sealed and fields.get("seal") != seat.seal:
            return Reason.WRONG_SEAL
        if fields.keys() != ({"id", "answer", "seal"} if is_sealed else {"id", "answer"}):
            return Reason.INVALID
        try:
            answer = orjson.dumps(fields["answer"])
        except TypeError:  # odd numbers, halves of characters, nested too deeply
            return Reason.INVALID
        return answer if self.mismatch(fields["answer"]) is None else Reason.INVALID
