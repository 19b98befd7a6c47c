"""A desk for holds in memory: the second implementation of `HoldDesk`, for tests of the front doors."""

from __future__ import annotations

from dataclasses import replace

from claudeflow.domain.hold import Hold, HoldAction, HoldCause, HoldChange, Scope
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.desks.holds import HoldInForce, HoldNotFound, NewHold, Released
from claudeflow.intake.scopes import check_known


class FakeHoldDesk:
    """Keeps holds in a list. Tests put those of claudeflow into `holds` themselves."""

    def __init__(self, catalog: Catalog, now_ms: int) -> None:
        self._catalog = catalog
        self._now_ms = now_ms
        self.holds: list[Hold] = []
        self.changes: list[HoldChange] = []

    async def in_force(self) -> list[HoldInForce]:
        return [HoldInForce(hold, 7) for hold in self.holds]

    async def set(self, wanted: NewHold) -> tuple[Hold, bool]:
        check_known(wanted.scope, self._catalog)
        known = [hold for hold in self.holds if hold.scope == wanted.scope and hold.by_hand]
        hold = Hold(
            wanted.scope,
            HoldCause.MANUAL,
            wanted.reason,
            self._now_ms,
            until_ms=wanted.until_ms,
            set_by=wanted.who,
        )
        for old in known:
            self.holds.remove(old)
            hold = replace(hold, since_ms=old.since_ms)
        self.holds.append(hold)
        self._note(HoldAction.CHANGED if known else HoldAction.SET, hold, wanted.reason, wanted.who)
        return hold, not known

    async def release(self, scope: Scope, cause: HoldCause | None, reason: str, who: str) -> Released:
        there = sorted(
            (hold for hold in self.holds if hold.scope == scope), key=lambda hold: not hold.by_hand
        )
        wanted = [hold for hold in there if cause in (None, hold.cause)][:1]
        if not wanted:
            raise HoldNotFound(f"nothing holds {scope}")
        self.holds.remove(wanted[0])
        self._note(HoldAction.RELEASED, wanted[0], reason, who)
        return Released(tuple(wanted), tuple(hold for hold in there if hold not in wanted))

    async def history(self, limit: int) -> list[HoldChange]:
        return self.changes[::-1][:limit]

    def _note(self, action: HoldAction, hold: Hold, reason: str, who: str) -> None:
        self.changes.append(
            HoldChange(self._now_ms, action, hold.scope, hold.cause, reason, who, hold.until_ms)
        )
