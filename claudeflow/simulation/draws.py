"""Draws: what the API granted on each bucket and who drew it, read off the API's own meters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from claudeflow.domain.quota import OWN_AXES, Axis
from claudeflow.policy.money.pricing import PriceTable
from claudeflow.simulation.columns import DIGITS, Key
from claudeflow.simulation.result import BucketUse
from claudeflow.twin.meters import Meter, PoolMeters
from claudeflow.twin.models import MODELS


@dataclass(slots=True)
class _Draw:
    """One bucket's meter at the last reading, and what was drawn and granted while jobs were queued."""

    limit: int = 0
    granted: float = 0.0
    used: float = 0.0
    others: float = 0.0
    queued_granted: float = 0.0
    queued_drawn: float = 0.0


def our_pool_names(prices: PriceTable) -> dict[str, str]:
    """What claudeflow calls the pools of the simulated API, which has names of its own for them."""
    return {model.pool: prices.pool_of(model.id) for model in MODELS if model.id in prices.models}


class DrawBook:
    """Remembers the last reading of each meter. Pools that we have not drawn from are not told."""

    def __init__(self, our_names: Mapping[str, str]) -> None:
        """`our_names` maps the API's name of a pool to ours; others stay as they are."""
        self._our_names = our_names
        self._draws: dict[tuple[str, Axis], _Draw] = {}
        self._used: set[str] = set()

    def read(self, pools: Mapping[str, PoolMeters], *, queued: bool) -> dict[Key, float]:
        """What was granted and drawn since the last reading; `queued` if jobs were queued all the while."""
        row: dict[Key, float] = {}
        for their_name, meters in pools.items():
            name = self._our_names.get(their_name, their_name)
            deltas = [(axis, self._read_one(name, axis, _meter(meters, axis), queued)) for axis in OWN_AXES]
            if any(_meter(meters, axis).used for axis in OWN_AXES):
                self._used.add(name)
            if name in self._used:
                row |= {
                    (measure, name, axis.value): amount
                    for axis, amounts in deltas
                    for measure, amount in amounts.items()
                }
        return row

    def buckets(self) -> tuple[BucketUse, ...]:
        """What all readings come to."""
        used = {key: draw for key, draw in self._draws.items() if key[0] in self._used}
        return tuple(_use(pool, axis, draw) for (pool, axis), draw in used.items())

    def _read_one(self, pool: str, axis: Axis, meter: Meter, queued: bool) -> dict[str, float]:
        last = self._draws.setdefault((pool, axis), _Draw())
        granted, used = meter.granted - last.granted, meter.used - last.used
        others = meter.others - last.others
        last.limit, last.granted, last.used, last.others = (
            meter.limit,
            meter.granted,
            meter.used,
            meter.others,
        )
        if queued:
            last.queued_granted += granted
            last.queued_drawn += used + others
        return {"granted": granted, "used": used, "others": others}


def _meter(meters: PoolMeters, axis: Axis) -> Meter:
    meter: Meter = getattr(meters, axis)
    return meter


def _use(pool: str, axis: Axis, draw: _Draw) -> BucketUse:
    share = draw.queued_drawn / draw.queued_granted if draw.queued_granted else None
    return BucketUse(
        pool=pool,
        axis=axis,
        limit_per_min=float(draw.limit),
        granted=round(draw.granted, DIGITS),
        used=round(draw.used, DIGITS),
        others=round(draw.others, DIGITS),
        queued_share=None if share is None else round(share, 4),
    )
