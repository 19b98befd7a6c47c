"""Budgets: limits on what calls may cost in a period, which no call passes at any concurrency.

A call reserves the most that it can cost before it leaves and settles what it did cost after. It
goes only while every hard budget that covers it has room for that most. A call counts in the period
in which it was opened, one whose cost nobody knows with all that was reserved for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from claudeflow.policy.money.accounts import Account, MustWait, Reservation, State, refusal_of
from claudeflow.policy.money.scopes import Budget, CallScope, period_of

DAY_MS = 86_400_000


class DaySpend(NamedTuple):
    """What a lane's workflow spent on calls opened on one day (UTC): settled, and unknown at worst."""

    day_ms: int
    call: CallScope
    settled_nanousd: int
    unknown_nanousd: int


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands in its present period, which ends at `resets_ms` (epoch ms).

    `reserved_nanousd` is the most that the calls under way can cost, `expected_nanousd` what they are
    expected to. `state`: `open`, `waiting` (for calls under way to settle) or `held` (what came last
    can cost more than is left, or nothing is), since `since_ms`; `why` says so in words, with the way out.
    """

    budget: Budget
    spent_nanousd: int
    unknown_nanousd: int
    reserved_nanousd: int
    expected_nanousd: int
    in_flight: int
    begins_ms: int
    resets_ms: int
    state: State = "open"
    why: str | None = None
    since_ms: int | None = None

    @property
    def left_nanousd(self) -> int:
        """What surely was not spent; below nothing when a limit was lowered."""
        return self.budget.limit_nanousd - self.spent_nanousd - self.unknown_nanousd


@dataclass(slots=True)
class _Sum:
    settled: int = 0
    unknown: int = 0


class BudgetBook:
    """What was spent, is reserved and is left. Times are epoch ms, money is whole nano-dollars."""

    def __init__(self, budgets: Iterable[Budget] = (), spent: Iterable[DaySpend] = ()) -> None:
        """`spent` covers at least the days since the present month began."""
        self._days: defaultdict[tuple[int, CallScope], _Sum] = defaultdict(_Sum)
        for day in spent:
            self._days[day.day_ms, day.call].settled += day.settled_nanousd
            self._days[day.day_ms, day.call].unknown += day.unknown_nanousd
        self._open: set[Reservation] = set()
        self.reconfigure(budgets)

    def reconfigure(self, budgets: Iterable[Budget]) -> None:
        """These budgets are in force from now on; what was spent before counts in new ones too."""
        self._budgets = {budget.name: budget for budget in budgets}
        self._accounts: dict[str, Account] = {}

    @property
    def budgets(self) -> list[Budget]:
        """Those in force."""
        return list(self._budgets.values())

    def refusal(self, call: CallScope, bound_nanousd: int, now_ms: int) -> MustWait | None:
        """Why a call that can cost this much may not go now; None when it may."""
        found = None
        for account in self._covering(call, now_ms):
            refusal = refusal_of(account, bound_nanousd)
            if refusal is not None and (found is None or _outlasts(refusal, found)):
                found = refusal
        return found

    def turned_away(self, refusal: MustWait, now_ms: int) -> None:
        """A job waits for this reason: `status` says so until a call goes."""
        budget = self._budgets.get(refusal.budget.name)
        if budget is not None:
            self._account(budget, now_ms).turned_away(refusal, now_ms)

    def reserve(
        self, call: CallScope, bound_nanousd: int, expected_nanousd: int, now_ms: int
    ) -> Reservation | MustWait:
        """Reserve for a call that is opened now. `expected_nanousd` is what it is likely to cost."""
        refusal = self.refusal(call, bound_nanousd, now_ms)
        if refusal is not None:
            return refusal
        reservation = Reservation(call, bound_nanousd, expected_nanousd, now_ms)
        for account in self._covering(call, now_ms, hard_only=False):
            account.begin(reservation)
        self._open.add(reservation)
        return reservation

    def settle(self, reservation: Reservation, cost_nanousd: int | None) -> bool:
        """The call's cost is known; None: only the other side knows it, so all that was reserved counts.

        False when it had been settled before: nothing changes then.
        """
        if reservation not in self._open:
            return False
        self._open.remove(reservation)
        settled = cost_nanousd or 0
        unknown = reservation.bound_nanousd if cost_nanousd is None else 0
        day = self._days[reservation.at_ms - reservation.at_ms % DAY_MS, reservation.call]
        day.settled += settled
        day.unknown += unknown
        for account in self._accounts.values():
            if account.counts(reservation):
                account.end(reservation, settled, unknown)
        return True

    def take_up(self, reservation: Reservation) -> None:
        """What an earlier process has reserved for calls that are still under way."""
        self._open.add(reservation)
        for account in self._accounts.values():
            if account.counts(reservation):
                account.begin(reservation)

    def join(self, reservations: Sequence[Reservation]) -> Reservation:
        """Reservations of one scope and day as a single one: thousands of them are under way in a batch."""
        joined = Reservation(
            reservations[0].call,
            sum(one.bound_nanousd for one in reservations),
            sum(one.expected_nanousd for one in reservations),
            reservations[0].at_ms,
            sum(one.calls for one in reservations),
        )
        self._open.difference_update(reservations)
        self._open.add(joined)
        return joined

    def settle_part(
        self, reservation: Reservation, bound_nanousd: int, cost_nanousd: int | None
    ) -> Reservation:
        """One call of several is settled, for which so much was reserved; what is left for the others."""
        if reservation not in self._open:
            return reservation
        expected = reservation.expected_nanousd // reservation.calls
        part = replace(reservation, bound_nanousd=bound_nanousd, expected_nanousd=expected, calls=1)
        rest = replace(
            reservation,
            bound_nanousd=reservation.bound_nanousd - bound_nanousd,
            expected_nanousd=reservation.expected_nanousd - expected,
            calls=reservation.calls - 1,
        )
        self._open.remove(reservation)
        self._open |= {part, rest} if rest.calls else {part}
        self.settle(part, cost_nanousd)
        return rest

    def status(self, now_ms: int) -> tuple[BudgetStatus, ...]:
        """How every budget stands, in the order in which they are configured."""
        return tuple(_status(self._account(budget, now_ms)) for budget in self._budgets.values())

    def _covering(self, call: CallScope, now_ms: int, *, hard_only: bool = True) -> list[Account]:
        return [
            self._account(budget, now_ms)
            for budget in self._budgets.values()
            if (budget.hard or not hard_only) and budget.scope.covers(call)
        ]

    def _account(self, budget: Budget, now_ms: int) -> Account:
        """The account that counts at this moment, under the limit of this moment."""
        present = budget.at(now_ms)
        account = self._accounts.get(budget.name)
        if account is None or not account.is_in(now_ms) or account.budget is not present:
            account = self._accounts[budget.name] = self._added_up(present, now_ms)
        return account

    def _added_up(self, budget: Budget, now_ms: int) -> Account:
        """A budget's account of the period that now is in, from the days and what is under way."""
        account = Account(budget, *period_of(budget.period, now_ms))
        for (day_ms, call), spent in self._days.items():
            if account.is_in(day_ms) and budget.scope.covers(call):
                account.settled += spent.settled
                account.unknown += spent.unknown
        for reservation in self._open:
            if account.counts(reservation):
                account.begin(reservation)
        return account


def _outlasts(one: MustWait, other: MustWait) -> bool:
    return (one.until_ms or 0) > (other.until_ms or 0)


def _status(account: Account) -> BudgetStatus:
    return BudgetStatus(
        budget=account.budget,
        spent_nanousd=account.settled,
        unknown_nanousd=account.unknown,
        reserved_nanousd=account.reserved,
        expected_nanousd=account.expected,
        in_flight=account.in_flight,
        begins_ms=account.begins_ms,
        resets_ms=account.ends_ms,
        state=account.state,
        why=None if account.refusal is None else account.refusal.why,
        since_ms=account.refused_ms,
    )
