"""Giants: calls larger than a whole minute's limit, and what became of them.

The API has admitted calls into debt, and has refused calls for their size; which it does is not
documented. So a giant is given up only on a cautious lower bound of its size, or once one as large
has been refused; what has passed once may pass again.
"""

from __future__ import annotations

from collections.abc import Iterable

from claudeflow.domain.quota import Axis, Demand
from claudeflow.policy.limits.allowance import Allowance


class Giants:
    """The smallest giant that was refused and the largest call that passed, by axis."""

    def __init__(self) -> None:
        self._refused: dict[Axis, float] = {}
        self._passed: dict[Axis, float] = {}

    def passed(self, drawn: Demand) -> None:
        """A call was answered and drew this."""
        for axis in Axis:
            if drawn.on(axis) > self._passed.get(axis, 0.0):
                self._passed[axis] = drawn.on(axis)

    def refused(self, allowances: Iterable[Allowance], demand: Demand) -> None:
        """A call got a 429 for an empty bucket. Output reserves nothing: it is never too large."""
        for allowance in allowances:
            axis, size = allowance.axis, demand.on(allowance.axis)
            is_giant = allowance.limit_is_told and size > allowance.limit_per_min
            if is_giant and axis is not Axis.OUTPUT_TOKENS:
                self._refused[axis] = min(size, self._refused.get(axis, size))

    def why_never(self, allowances: Iterable[Allowance], at_least: Demand, expected: Demand) -> str | None:
        """Why such a call can never pass; None as long as it might."""
        for allowance in allowances:
            axis, limit = allowance.axis, allowance.limit_per_min
            surely, likely = at_least.on(axis), expected.on(axis)
            is_over = allowance.limit_is_told and surely > limit
            was_refused = likely > limit and likely >= self._refused.get(axis, float("inf"))
            if (is_over or was_refused) and max(surely, likely) > self._passed.get(axis, 0.0):
                size = surely if is_over else likely
                kind = axis.value.replace("_", " ")
                return f"it draws about {size:,.0f} {kind}, and the limit is {limit:,.0f} a minute"
        return None
