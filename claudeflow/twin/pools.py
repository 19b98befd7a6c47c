"""All pools of an organisation, the other users who draw on them, and the limits that change."""

from __future__ import annotations

from collections.abc import Iterator

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.changes import ORGANIZATION, Change
from claudeflow.twin.models import FAST_SUFFIX, MODELS, POOLS
from claudeflow.twin.pool import Pool
from claudeflow.twin.priority import Commitment
from claudeflow.twin.settings import TwinSettings

_FAST_POOLS = tuple(dict.fromkeys(model.pool + FAST_SUFFIX for model in MODELS if model.takes_fast))
_PRIORITY_POOLS = frozenset(model.pool for model in MODELS if model.takes_priority)


class Pools:
    """Every pool there is, full at `now`; other users do not draw on those of fast mode."""

    def __init__(self, settings: TwinSettings, agenda: Agenda, now: float) -> None:
        self._agenda = agenda
        self._since = now
        self._pools = {name: _new_pool(name, settings, now) for name in (*POOLS, *_FAST_POOLS)}
        self._wanted = [0.0] * len(settings.consumers)
        self._consumers = settings.consumers
        for number, consumer in enumerate(settings.consumers):
            self._go_on(number, consumer.phases(settings.seed, number))

    def all(self) -> Iterator[Pool]:
        """All pools, in a fixed order."""
        yield from self._pools.values()

    def of(self, name: str, *, fast: bool = False) -> Pool:
        """One pool, or that of its models' fast mode."""
        return self._pools[name + FAST_SUFFIX if fast else name]

    def change(self, change: Change, now: float) -> None:
        """Put other limits in force."""
        for pool in self._pools.values():
            if not change.touches(pool.name):
                continue
            if change.scope == ORGANIZATION:
                pool.change(change.organization(pool.limits, pool.name), now)
                self._let_others_draw(pool, now)
            else:
                pool.change_workspace(change.workspace(pool.workspace), now)

    def _go_on(self, number: int, phases: Iterator[tuple[float, float]]) -> None:
        """Enter a consumer's next phase into the agenda, and from there the one after it."""
        phase = next(phases, None)
        if phase is None:
            return
        at_s, factor = phase

        def begin(moment: float) -> None:
            self._wanted[number] = factor
            for pool in self._pools.values():
                if self._consumers[number].draws_on(pool.name):
                    self._let_others_draw(pool, moment)
            self._go_on(number, phases)

        self._agenda.at(self._since + at_s, begin)

    def _let_others_draw(self, pool: Pool, now: float) -> None:
        mine = [
            (consumer, factor)
            for consumer, factor in zip(self._consumers, self._wanted, strict=True)
            if consumer.draws_on(pool.name)
        ]
        if not mine:
            return
        for index, axis in enumerate(pool.axes):
            per_minute = sum(factor * consumer.per_minute(pool.limits)[index] for consumer, factor in mine)
            axis.own.want_for_others(per_minute / 60, now)


def _new_pool(name: str, settings: TwinSettings, now: float) -> Pool:
    pool = Pool(name, settings.limits_of(name), settings.pool_rules, now)
    if settings.priority_itpm is not None and settings.priority_otpm is not None and name in _PRIORITY_POOLS:
        pool.commitment = Commitment(settings.priority_itpm, settings.priority_otpm, now)
    if settings.workspace_limits.any:
        pool.change_workspace(settings.workspace_limits, now)
    return pool
