"""The circuit of a mailbox: how long it is left alone when it makes trouble, and what is said. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.intake.mailbox.trouble import MailboxTrouble

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 30.0
FIRST_LOCKED_PAUSE_S = 0.005
LONGEST_LOCKED_PAUSE_S = 1.0
"""Producers lock a mailbox while they write, mostly for a moment."""
DEADLY_PAUSE_S = 5.0
LONGEST_DEADLY_PAUSE_S = 3600.0
FORGIVEN_S = 86_400.0
"""After a day without another porter's death a mailbox has a clean record again."""
PATIENCE_S = 3.0
"""A lock may be held for so long before anybody is told: producers hold it while they write."""

DEADLY = "deadly"
LOCKED = "locked"
CLOSED = "closed"


@dataclass(slots=True)
class Circuit:
    """Trouble, and what was said of it. Times are monotonic seconds.

    `deaths` are porters that died of this mailbox: working in between does not forgive them, for each death
    stops all mailboxes for a moment.
    """

    trouble: MailboxTrouble | None = None
    since: float = 0.0
    failures: int = 0
    told: str = ""
    deaths: int = 0
    last_death: float = 0.0

    def failed(self, trouble: MailboxTrouble, now: float) -> float:
        """It failed once more; how long to leave it alone: twice as long each time, up to a bound."""
        if self.trouble is None:
            self.since, self.failures = now, 0
        self.trouble = trouble
        if trouble.code == DEADLY:
            return self._died(now)
        self.failures += 1
        if trouble.code == LOCKED:
            return _doubled(FIRST_LOCKED_PAUSE_S, self.failures, LONGEST_LOCKED_PAUSE_S)
        return _doubled(FIRST_PAUSE_S, self.failures, LONGEST_PAUSE_S)

    def has_news(self, now: float) -> bool:
        """Whether somebody should be told of the trouble now. A lock is told when it has lasted a while."""
        if self.trouble is None or self.trouble.code in (self.told, CLOSED):
            return False
        if self.trouble.code == LOCKED and now - self.since < PATIENCE_S:
            return False
        self.told = self.trouble.code
        return True

    def worked(self) -> bool:
        """Everything went well; whether that is news."""
        was_told = bool(self.told)
        self.trouble, self.told, self.failures = None, "", 0
        return was_told

    def _died(self, now: float) -> float:
        self.deaths = 1 if now - self.last_death > FORGIVEN_S else self.deaths + 1
        self.last_death = now
        return _doubled(DEADLY_PAUSE_S, self.deaths, LONGEST_DEADLY_PAUSE_S)


def _doubled(first_s: float, count: int, longest_s: float) -> float:
    return float(min(longest_s, first_s * 2.0 ** min(count - 1, 30)))
