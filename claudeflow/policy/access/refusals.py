"""Which refusals of callers are told, and which are only counted: a flood of them floods no log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from claudeflow.domain.door_events import CallerRefused

MOST_PER_MINUTE = 5
"""So many refusals of one caller with one code are told in a minute; the next one tells of the rest."""
MOST_CALLERS = 256
"""So many callers and codes are counted by themselves at once; further callers are counted as one, `*`."""
OTHERS = "*"
MINUTE_S = 60.0


@dataclass(slots=True)
class _Counted:
    since: float
    told: int = 0
    untold: int = 0
    last: CallerRefused | None = None


class RefusalBook:
    """Counts refusals by caller and code. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str | None, str], _Counted] = {}

    def __len__(self) -> int:
        """How many callers and codes are counted by themselves."""
        return len(self._counted)

    def note(self, refusal: CallerRefused, now: float) -> CallerRefused | None:
        """What to tell of one more refusal, with how many it stands for; None: it was counted."""
        refusal = self._named(refusal)
        counted = self._counted.setdefault((refusal.caller, refusal.code), _Counted(now))
        if now - counted.since >= MINUTE_S:
            counted.since, counted.told = now, 0
        counted.untold += refusal.times
        counted.last = refusal
        return None if counted.told >= MOST_PER_MINUTE else _told(counted)

    def due(self, now: float) -> list[CallerRefused]:
        """What was counted more than a minute ago and nothing new has come to tell of; forgets the quiet."""
        over = [key for key, counted in self._counted.items() if now - counted.since >= MINUTE_S]
        found = [counted for key in over if (counted := self._counted.pop(key)).untold]
        return [told for counted in found if (told := _told(counted)) is not None]

    def _named(self, refusal: CallerRefused) -> CallerRefused:
        key = (refusal.caller, refusal.code)
        crowded = len(self._counted) >= MOST_CALLERS and key not in self._counted
        return replace(refusal, caller=OTHERS) if crowded else refusal


def _told(counted: _Counted) -> CallerRefused | None:
    times, counted.untold = counted.untold, 0
    counted.told += 1
    return None if counted.last is None else replace(counted.last, times=times)
