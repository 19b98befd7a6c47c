"""Estimate: what a call will draw, learned from what calls like it drew.

Output is charged as generated and `max_tokens` reserves nothing (Rate limits), so pacing by
`max_tokens` would waste most of the quota: the mean of past outputs is used instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claudeflow.domain.job import Candidate
from claudeflow.domain.quota import Demand
from claudeflow.domain.usage import Usage

TOKENS_PER_BYTE = 1 / 3.2
FIRST_GUESS_OUTPUT_TOKENS = 400.0
MEMORY = 0.1
"""Weight of the newest call in the running means."""


@dataclass(slots=True)
class _Learned:
    cold_tokens_per_byte: float | None = None
    warm_tokens_per_byte: float | None = None
    output_tokens: float | None = None


class Estimator:
    """Running means per workflow and model."""

    def __init__(self) -> None:
        self._learned: dict[tuple[str, str], _Learned] = {}

    def demand(self, candidate: Candidate, *, warm: bool) -> Demand:
        """What the candidate's call is expected to draw; `warm` says that its prefix is cached."""
        learned = self._learned.get((candidate.workflow, candidate.model), _Learned())
        cold = learned.cold_tokens_per_byte or TOKENS_PER_BYTE
        per_byte = learned.warm_tokens_per_byte if warm else None
        output = learned.output_tokens or FIRST_GUESS_OUTPUT_TOKENS
        return Demand(
            input_tokens=(cold if per_byte is None else per_byte) * candidate.input_bytes,
            output_tokens=min(output, candidate.max_tokens),
        )

    def learn(self, workflow: str, model: str, input_bytes: int, usage: Usage, *, held: bool) -> None:
        """Take in what a call really drew.

        While the pool is held (`held`) outputs teach nothing: those that still come back are the long ones.
        """
        learned = self._learned.setdefault((workflow, model), _Learned())
        per_byte = usage.charged_input_tokens / max(1, input_bytes)
        if usage.cache_read_tokens:
            learned.warm_tokens_per_byte = _mean(learned.warm_tokens_per_byte, per_byte)
        else:
            learned.cold_tokens_per_byte = _mean(learned.cold_tokens_per_byte, per_byte)
        if not held:
            learned.output_tokens = _mean(learned.output_tokens, float(usage.output_tokens))

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [
            [workflow, model, means.cold_tokens_per_byte, means.warm_tokens_per_byte, means.output_tokens]
            for (workflow, model), means in self._learned.items()
        ]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for workflow, model, cold, warm, output in memory:
            self._learned[workflow, model] = _Learned(cold, warm, output)


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + MEMORY * (new - old)
