"""Estimate: what a call will draw and how long it will take, learned from calls like it.

Output is charged as generated and `max_tokens` reserves nothing (Rate limits), so pacing by
`max_tokens` would waste most of the quota: the mean of past outputs is used instead. One that is
far off the mean counts as ten times the mean at most: tails are heavy.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from claudeflow.domain.job import Candidate
from claudeflow.domain.quota import Demand
from claudeflow.domain.usage import Usage

TOKENS_PER_BYTE = 1 / 3.2
FIRST_GUESS_OUTPUT_TOKENS = 400.0
MEMORY = 0.05
"""Weight of the newest call in the running means, once enough calls have been seen."""
FAR_OFF = 10.0
SEEN_ENOUGH = 5
SPARSEST_TOKENS_PER_BYTE = 1 / 8
"""Text has more tokens than this, whatever it says."""
TEXT_ALLOWANCE_TOKENS = 2_000
"""By how much more than its bytes a text may count at most; more than that shows images or documents."""
CAUTION = 0.8
PACKED = "packed"
MOST_KINDS = 2_000
"""How many workflows times models are remembered; the one not heard of for longest is forgotten."""


@dataclass(slots=True)
class _Learned:
    cold_tokens_per_byte: float | None = None
    warm_tokens_per_byte: float | None = None
    output_tokens: float | None = None
    duration_s: float | None = None
    least_tokens_per_byte: float | None = None
    calls: int = 0


class Estimator:
    """Running means per workflow and model."""

    def __init__(self) -> None:
        self._learned: dict[tuple[str, str], _Learned] = {}

    def demand(self, candidate: Candidate, *, warm: bool) -> Demand:
        """What the candidate's call is expected to draw; `warm` says that its prefix is cached."""
        learned = self._of(candidate)
        cold = learned.cold_tokens_per_byte or TOKENS_PER_BYTE
        per_byte = learned.warm_tokens_per_byte if warm else None
        output = (learned.output_tokens or self._single_output(candidate)) * candidate.items
        return Demand(
            input_tokens=(cold if per_byte is None else per_byte) * candidate.input_bytes,
            output_tokens=min(output, candidate.max_tokens),
        )

    def at_least(self, candidate: Candidate) -> Demand:
        """A cautious lower bound of what the call will draw. Output may always be nothing."""
        learned = self._of(candidate)
        per_byte = 0.0
        if learned.least_tokens_per_byte is not None and learned.calls >= SEEN_ENOUGH:
            per_byte = CAUTION * learned.least_tokens_per_byte
        elif candidate.prefix is None and _is_text(candidate):
            per_byte = SPARSEST_TOKENS_PER_BYTE
        return Demand(per_byte * candidate.input_bytes, 0.0)

    def duration_s(self, candidate: Candidate) -> float | None:
        """How long such a call usually takes; None when none has been seen."""
        return self._of(candidate).duration_s

    def learn(
        self,
        workflow: str,
        model: str,
        input_bytes: int,
        usage: Usage,
        *,
        held: bool,
        duration_s: float | None = None,
        items: int = 1,
    ) -> None:
        """Take in what a call really drew, which `items` jobs shared.

        While the pool is held (`held`) outputs and durations teach nothing: those that still come
        back are the long ones.
        """
        learned = self._remember((_kind_of(workflow, items), model))
        learned.calls += 1
        weight = max(MEMORY, 1.0 / learned.calls)
        per_byte = usage.charged_input_tokens / max(1, input_bytes)
        if usage.cache_read_tokens:
            learned.warm_tokens_per_byte = _mean(learned.warm_tokens_per_byte, per_byte, weight)
        else:
            learned.cold_tokens_per_byte = _mean(learned.cold_tokens_per_byte, per_byte, weight)
        least = learned.least_tokens_per_byte
        learned.least_tokens_per_byte = per_byte if least is None else min(least, per_byte)
        if held:
            return
        learned.output_tokens = _mean(learned.output_tokens, usage.output_tokens / items, weight)
        if duration_s is not None:
            learned.duration_s = _mean(learned.duration_s, duration_s, weight)

    def memory(self) -> list[list[Any]]:
        """What is worth keeping over a restart, as plain JSON values."""
        return [[workflow, model, *astuple(means)] for (workflow, model), means in self._learned.items()]

    def recall(self, memory: list[list[Any]]) -> None:
        """Take up what an earlier process had learned."""
        for workflow, model, *means in memory:
            self._learned[workflow, model] = _Learned(*means)

    def _of(self, candidate: Candidate) -> _Learned:
        return (
            self._learned.get((_kind_of(candidate.workflow, candidate.items), candidate.model)) or _Learned()
        )

    def _single_output(self, candidate: Candidate) -> float:
        """What one job answers when it goes alone."""
        single = self._learned.get((candidate.workflow, candidate.model)) or _Learned()
        return single.output_tokens or FIRST_GUESS_OUTPUT_TOKENS

    def _remember(self, kind: tuple[str, str]) -> _Learned:
        """What is known of a kind of call, which becomes the newest known."""
        learned = self._learned.pop(kind, None) or _Learned()
        self._learned[kind] = learned
        if len(self._learned) > MOST_KINDS:
            del self._learned[next(iter(self._learned))]
        return learned


def _kind_of(workflow: str, items: int) -> str:
    """Shared calls are a kind of their own, with the output of each of their jobs."""
    return workflow if items == 1 else f"{workflow}\n{PACKED}"


def _is_text(candidate: Candidate) -> bool:
    most, text = candidate.most_input_tokens, candidate.input_bytes
    return text <= most <= text + TEXT_ALLOWANCE_TOKENS


def _mean(old: float | None, new: float, weight: float) -> float:
    """The running mean with `new` in it."""
    if old is None:
        return new
    return old + weight * (min(new, FAR_OFF * max(old, 1.0)) - old)
