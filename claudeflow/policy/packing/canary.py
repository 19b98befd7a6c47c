"""Canaries: packed jobs that are asked again singly, and what becomes of a prompt that disagrees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_CANARIES = 5
CONFIDENCE = 1.64
"""Standard deviations: the true rate is below the bound in one case of twenty."""

MEMORY = 0.99
"""What each further canary leaves of those before: about the last hundred count."""

MOST_VERSIONS = 2_000
"""How many versions are remembered; the one not heard of for longest is forgotten."""

_ABSENT = object()


def picks(share: float, chance: float) -> bool:
    """Whether a packed job becomes a canary. `chance` in [0, 1)."""
    return chance < share


def agree(packed: Any, single: Any, fields: Sequence[str] = ()) -> bool:
    """Whether two answers say the same: equal JSON, or equal `fields` of it (`label`, `route.team`).

    1 and 1.0 are equal, true and 1 are not. The order of keys counts for nothing, that of arrays does.
    """
    if not fields:
        return _equal(packed, single)
    return all(_equal(_field(packed, path), _field(single, path)) for path in fields)


def lower_bound(share: float, number: float) -> float:
    """The least that a rate probably is, of which `number` samples showed `share` (Wilson 1927)."""
    spread = CONFIDENCE**2 / number
    center = share + spread / 2
    margin = CONFIDENCE * math.sqrt(share * (1 - share) / number + spread / (4 * number))
    return (center - margin) / (1 + spread)


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """What the canaries of a prompt version have shown; `rate` of the newer ones. Unpacked: for good."""

    prompt: str
    version: str
    canaries: int
    disagreements: int
    rate: float
    is_unpacked: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A prompt version is packed no more. `least_rate`: probably no fewer of its answers differ."""

    row: CanaryRow
    least_rate: float
    max_disagreement: float

    @property
    def why(self) -> str:
        """The reason in words, with the way out."""
        return (
            f"prompt {self.row.prompt} is packed no more: {self.row.disagreements} of {self.row.canaries} "
            f"canaries disagree, which shows a rate of {self.least_rate:.1%} at least, and "
            f"{self.max_disagreement:.1%} are allowed; change the prompt, or reset it to pack again"
        )


@dataclass(slots=True)
class _Seen:
    """All canaries of a version, and fading sums of them."""

    canaries: int = 0
    disagreements: int = 0
    weight: float = 0.0
    wrong: float = 0.0
    is_unpacked: bool = False

    def add(self, *, agreed: bool) -> None:
        self.canaries += 1
        self.disagreements += not agreed
        self.weight = self.weight * MEMORY + 1
        self.wrong = self.wrong * MEMORY + (not agreed)

    @property
    def rate(self) -> float:
        return self.wrong / self.weight if self.weight else 0.0


class DisagreementBook:
    """Canaries by prompt version, and which versions are packed no more."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def note(self, prompt: str, version: str, max_disagreement: float, *, agreed: bool) -> Verdict | None:
        """A canary came back. The verdict when this one shows that the version must be packed no more."""
        seen = self._seen.pop((prompt, version), None) or _Seen()
        self._seen[prompt, version] = seen
        seen.add(agreed=agreed)
        self._forget((prompt, version))
        if seen.is_unpacked or seen.canaries < LEAST_CANARIES:
            return None
        least = lower_bound(seen.rate, seen.weight)
        if least <= max_disagreement:
            return None
        seen.is_unpacked = True
        return Verdict(_row(prompt, version, seen), least, max_disagreement)

    def is_unpacked(self, prompt: str, version: str) -> bool:
        """Whether jobs of this version go singly until it is reset."""
        seen = self._seen.get((prompt, version))
        return seen is not None and seen.is_unpacked

    def reset(self, prompt: str) -> bool:
        """Forget what its canaries have shown, in all its versions. Whether anything was known."""
        known = [key for key in self._seen if key[0] == prompt]
        for key in known:
            del self._seen[key]
        return bool(known)

    def status(self) -> tuple[CanaryRow, ...]:
        """All versions, the last heard of first."""
        return tuple(_row(*key, seen) for key, seen in reversed(self._seen.items()))

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [
            [*key, seen.canaries, seen.disagreements, seen.weight, seen.wrong, seen.is_unpacked]
            for key, seen in self._seen.items()
        ]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for prompt, version, *sums in memory:
            self._seen[prompt, version] = _Seen(*sums)

    def _forget(self, newest: tuple[str, str]) -> None:
        """One that is packed no more is not heard of again, and is kept longer than any that is packed.

        The newest stays: where all others are packed no more, the oldest of these makes room for it.
        """
        while len(self._seen) > MOST_VERSIONS:
            packed = (key for key, seen in self._seen.items() if not seen.is_unpacked and key != newest)
            del self._seen[next(packed, next(iter(self._seen)))]


def _row(prompt: str, version: str, seen: _Seen) -> CanaryRow:
    return CanaryRow(prompt, version, seen.canaries, seen.disagreements, seen.rate, seen.is_unpacked)


def _field(answer: Any, path: str) -> Any:
    """What stands there; a mark that equals itself alone when nothing does."""
    for step in path.split("."):
        if not isinstance(answer, Mapping) or step not in answer:
            return _ABSENT
        answer = answer[step]
    return answer


def _equal(one: Any, other: Any) -> bool:
    waiting = [(one, other)]
    while waiting:
        mine, theirs = waiting.pop()
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            if mine.keys() != theirs.keys():
                return False
            waiting += [(value, theirs[key]) for key, value in mine.items()]
        elif isinstance(mine, list) and isinstance(theirs, list):
            if len(mine) != len(theirs):
                return False
            waiting += zip(mine, theirs, strict=True)
        elif isinstance(mine, bool) is not isinstance(theirs, bool) or mine != theirs:
            return False
    return True
