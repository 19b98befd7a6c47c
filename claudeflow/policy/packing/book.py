"""The pack book: what packing has done for each prompt version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from claudeflow.policy.packing.check import Findings, Returned

MOST_VERSIONS = 2_000
"""How many versions are remembered; the one not heard of for longest is forgotten."""

REFUSED = "refused"
"""The reason of items whose pack was refused as a whole, beside those of `check.Reason`."""


@dataclass(frozen=True, slots=True)
class PackRow:
    """Packs of a prompt version: calls, the items in them, and those `returned` to go singly, by reason.

    `unknown` is how many entries had an id that no item had.
    """

    prompt: str
    version: str
    packs: int
    items: int
    returned: Mapping[str, int]
    unknown: int

    @property
    def saved_requests(self) -> int:
        """How many calls fewer there were; negative when packs came back with hardly an answer."""
        return self.items - sum(self.returned.values()) - self.packs


@dataclass(slots=True)
class _Sums:
    packs: int = 0
    items: int = 0
    unknown: int = 0
    returned: Counter[str] = field(default_factory=Counter)


class PackBook:
    """Sums by prompt version."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sums] = {}

    def note(self, prompt: str, version: str, findings: Findings) -> None:
        """A pack was answered."""
        sums = self._one_more(prompt, version, len(findings.verdicts))
        sums.unknown += findings.unknown
        sums.returned.update(
            verdict.reason.value for verdict in findings.verdicts if isinstance(verdict, Returned)
        )

    def note_refused(self, prompt: str, version: str, items: int) -> None:
        """A pack of so many was refused as a whole: all of them go singly."""
        self._one_more(prompt, version, items).returned[REFUSED] += items

    def _one_more(self, prompt: str, version: str, items: int) -> _Sums:
        sums = self._sums.pop((prompt, version), None) or _Sums()
        self._sums[prompt, version] = sums
        sums.packs += 1
        sums.items += items
        if len(self._sums) > MOST_VERSIONS:
            del self._sums[next(iter(self._sums))]
        return sums

    def rows(self) -> tuple[PackRow, ...]:
        """All versions, the last heard of first."""
        return tuple(
            PackRow(*key, sums.packs, sums.items, dict(sums.returned), sums.unknown)
            for key, sums in reversed(self._sums.items())
        )

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [
            [*key, sums.packs, sums.items, sums.unknown, dict(sums.returned)]
            for key, sums in self._sums.items()
        ]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had counted."""
        for prompt, version, packs, items, unknown, returned in memory:
            self._sums[prompt, version] = _Sums(packs, items, unknown, Counter(returned))
