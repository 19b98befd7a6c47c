"""Accounts: what one budget's calls spent and have reserved in one period, and why a call has no room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from enum import Enum
from typing import Literal

from claudeflow.domain.money import NANO, dollars
from claudeflow.policy.money.scopes import Budget, CallScope


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """What a call has reserved, from before it leaves until it is settled: once, whatever happens.

    One for several `calls` of a batch is settled part by part.
    """

    call: CallScope
    bound_nanousd: int
    expected_nanousd: int
    at_ms: int
    calls: int = 1


class Shortage(Enum):
    """Why a call has no room."""

    IN_FLIGHT = "in_flight"
    """Calls under way reserve what it needs: it may go when they settle."""
    TOO_DEAR = "too_dear"
    """It can cost more than is left; a smaller one may go."""
    SPENT = "spent"
    """Nothing is left."""


@dataclass(frozen=True, slots=True)
class MustWait:
    """A call has no room in `budget`. `until_ms` is the turn of the period; None: as soon as calls settle."""

    budget: Budget
    shortage: Shortage
    why: str
    until_ms: int | None


State = Literal["open", "waiting", "held"]


@dataclass(slots=True)
class Account:
    """A budget's sums in one period. `refusal` is why the last job that asked was turned away, if it was."""

    budget: Budget
    begins_ms: int
    ends_ms: int
    settled: int = 0
    unknown: int = 0
    reserved: int = 0
    expected: int = 0
    in_flight: int = 0
    refusal: MustWait | None = None
    refused_ms: int | None = None

    @property
    def left(self) -> int:
        """What surely was not spent; below nothing when a limit was lowered."""
        return self.budget.limit_nanousd - self.settled - self.unknown

    @property
    def state(self) -> State:
        """Whether somebody waits for room, and if so whether it comes back when calls settle."""
        if self.refusal is None:
            return "open"
        return "waiting" if self.refusal.shortage is Shortage.IN_FLIGHT else "held"

    def is_in(self, at_ms: int) -> bool:
        """Whether a moment lies in the period."""
        return self.begins_ms <= at_ms < self.ends_ms

    def counts(self, reservation: Reservation) -> bool:
        """Whether the call counts here."""
        return self.budget.scope.covers(reservation.call) and self.is_in(reservation.at_ms)

    def turned_away(self, refusal: MustWait, now_ms: int) -> None:
        """A job waits for this reason; `refused_ms` is since when one does."""
        self.refusal = refusal
        self.refused_ms = now_ms if self.refused_ms is None else self.refused_ms

    def begin(self, reservation: Reservation) -> None:
        """The call is opened."""
        self.reserved += reservation.bound_nanousd
        self.expected += reservation.expected_nanousd
        self.in_flight += reservation.calls
        self.refusal = self.refused_ms = None

    def end(self, reservation: Reservation, settled: int, unknown: int) -> None:
        """The call came back."""
        self.reserved -= reservation.bound_nanousd
        self.expected -= reservation.expected_nanousd
        self.in_flight -= reservation.calls
        self.settled += settled
        self.unknown += unknown


def refusal_of(account: Account, bound_nanousd: int) -> MustWait | None:
    """Why a call that can cost this much has no room; None when it has."""
    if bound_nanousd + account.reserved <= account.left:
        return None
    if account.left <= 0 < bound_nanousd:
        return MustWait(account.budget, Shortage.SPENT, _spent_words(account, bound_nanousd), account.ends_ms)
    if bound_nanousd > account.left:
        why = f"{_spent_words(account, bound_nanousd)} (this call may cost {dollars(bound_nanousd)})"
        return MustWait(account.budget, Shortage.TOO_DEAR, why, account.ends_ms)
    return MustWait(account.budget, Shortage.IN_FLIGHT, _in_flight_words(account, bound_nanousd), None)


def _spent_words(account: Account, bound_nanousd: int) -> str:
    budget = account.budget
    spent = account.settled + account.unknown
    unknown = f", {dollars(account.unknown)} of it at most" if account.unknown else ""
    return (
        f"budget {budget.name}: {dollars(spent)} of {dollars(budget.limit_nanousd)} spent{unknown} until "
        f"{_end_words(account)}; raise it with "
        f"`claudeflow budget set {budget.name} {_enough_usd(account, bound_nanousd)}`"
    )


def _in_flight_words(account: Account, bound_nanousd: int) -> str:
    budget = account.budget
    calls = f"{account.in_flight:,} call{'s' if account.in_flight != 1 else ''} under way"
    return (
        f"budget {budget.name}: {dollars(account.left)} of {dollars(budget.limit_nanousd)} left, of which "
        f"{calls} may need {dollars(account.reserved)}; this one may cost {dollars(bound_nanousd)} and goes "
        "when they have settled"
    )


def _end_words(account: Account) -> str:
    """When the period ends, for people: a day ends at midnight UTC, a month with its last day."""
    until = datetime.fromtimestamp(account.ends_ms / 1000, UTC)
    return f"{until.day} {until:%B}" + (" 00:00 UTC" if account.budget.period == "day" else "")


def _enough_usd(account: Account, bound_nanousd: int) -> str:
    """A limit with room for the call, a fifth more at least: in dollars, rounded up, as one would type it."""
    needed = account.settled + account.unknown + account.reserved + bound_nanousd
    enough = Decimal(max(account.budget.limit_nanousd * 6 // 5, needed)) / NANO
    rounded = enough.quantize(Decimal(1).scaleb(enough.adjusted() - 2), ROUND_UP)
    return f"{rounded.normalize():f}"
