"""Balances: what caching has cost and saved, by workflow and model, and of all calls together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from claudeflow.policy.caching.balance import Balance

BALANCES_KEPT = 1_000


class Balances:
    """Every call counts twice: for its workflow and model, and for all. Money is in pico-dollars."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Balance] = OrderedDict()
        self._all = Balance()

    def estimate(self, workflow: str, model: str, input_bytes: int) -> float:
        """How many tokens an input of this size probably has."""
        return self._known.get((workflow, model), Balance()).estimate(input_bytes)

    def allow(self, workflow: str, model: str, stake: tuple[float, float], *, alone: bool) -> bool:
        """Whether a call may risk it: (what it costs uncached, what its writes may add at most)."""
        own = self._known.get((workflow, model), Balance())
        return all(balance.allows(*stake, alone=alone) for balance in (own, self._all))

    def begin(self, workflow: str, model: str, job_id: int, stake: tuple[float, float]) -> None:
        """A call goes out with this stake."""
        for balance in self._of(workflow, model):
            balance.begin(job_id, *stake)

    def give_up(self, workflow: str, model: str, job_id: int, *, paid: bool) -> float:
        """It failed, or never left; with `paid` its stake is lost. What its writes probably added."""
        lost = 0.0
        for balance in self._of(workflow, model):
            uncached, risk = balance.give_up(job_id)
            if paid:
                balance.settle(job_id, uncached, risk)
                lost = risk
        return lost

    def settle(self, workflow: str, model: str, job_id: int, uncached: int, excess: int) -> None:
        """It is paid."""
        for balance in self._of(workflow, model):
            balance.settle(job_id, uncached, excess)

    def learn_size(self, workflow: str, model: str, input_bytes: int, tokens: int) -> None:
        """How many tokens an input turned out to have."""
        for balance in self._of(workflow, model):
            balance.learn_size(input_bytes, tokens)

    def forget(self) -> None:
        """Drop those that have been idle for longest when there are too many."""
        while len(self._known) > BALANCES_KEPT:
            self._known.popitem(last=False)

    def memory(self) -> list[list[object]]:
        """What is worth keeping, as JSON; `all_memory` is apart from it."""
        return [[*scope, *balance.memory()] for scope, balance in self._known.items()]

    def all_memory(self) -> list[float]:
        """The same of all calls together."""
        return self._all.memory()

    def recall(self, balances: Iterable[Iterable[Any]], whole: Iterable[Any]) -> None:
        """Take up what both memories gave. Raises TypeError, ValueError for anything else."""
        for workflow, model, *sums in balances:
            self._known[workflow, model] = Balance(*sums)
        self._all = Balance(*whole)

    def _of(self, workflow: str, model: str) -> tuple[Balance, Balance]:
        own = self._known.setdefault((workflow, model), Balance())
        self._known.move_to_end((workflow, model))
        return own, self._all
