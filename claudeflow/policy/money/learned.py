"""Learned costs: what calls of a kind have cost on average, for what is expected of those under way."""

from __future__ import annotations

MEMORY = 0.05
"""Weight of the newest call, once enough have been seen."""

MOST_KINDS = 2_000
"""How many kinds are remembered; the one not heard of for longest is forgotten."""


class LearnedCosts:
    """Running means in nano-dollars per kind of call: workflow and model."""

    def __init__(self) -> None:
        self._means: dict[tuple[str, str], tuple[float, int]] = {}

    def learn(self, workflow: str, model: str, cost_nanousd: int) -> None:
        """Take in what a call cost."""
        mean, calls = self._means.pop((workflow, model), (0.0, 0))
        weight = max(MEMORY, 1 / (calls + 1))
        self._means[workflow, model] = (mean + weight * (cost_nanousd - mean), calls + 1)
        if len(self._means) > MOST_KINDS:
            del self._means[next(iter(self._means))]

    def of(self, workflow: str, model: str) -> int | None:
        """What such a call costs on average; None when none was seen."""
        known = self._means.get((workflow, model))
        return None if known is None else round(known[0])
