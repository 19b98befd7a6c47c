"""Packs: which jobs share a call now, whether they wait for others, or go alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from claudeflow.daemon.packs.judgements import Judgements
from claudeflow.daemon.packs.shapes import PackShape, PackShapes
from claudeflow.domain.job import Candidate, PromptRef
from claudeflow.domain.quota import Axis
from claudeflow.domain.words import plural
from claudeflow.policy.lanes.admission import Size
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.parking import Block, Level
from claudeflow.policy.lanes.scheduler import Scheduler
from claudeflow.policy.limits.estimate import TOKENS_PER_BYTE
from claudeflow.policy.limits.limiter import Limiter
from claudeflow.policy.packing.book import PackBook
from claudeflow.policy.packing.canary import DisagreementBook
from claudeflow.policy.packing.frames import LARGEST_CHARS
from claudeflow.policy.packing.returns import PackKind, ReturnBook
from claudeflow.policy.packing.waiting import PRESSURE, ArrivalBook, Group, GroupKey, wait_until
from claudeflow.policy.packing.worth import ENTRY_TOKENS, FRAME_TOKENS, Case, Prefix, Worth, judge_worth

if TYPE_CHECKING:
    from claudeflow.daemon.shared import Shared

PACK_FILL = "pack_fill"
"""The rule of a job that waits for others to share its call."""

PACK_COLD = "pack_cold"
"""The rule of a job that waits for the pack that writes its prompt into the cache."""

FRAME_BYTES = 90
"""More than the two lines around an item have."""

INJECTED_TOKENS = 2_000
"""More than the text that the API adds for a schema."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Jobs that share a call: `stand_in` is the call as scheduler, limiter and cache see it."""

    stand_in: Candidate
    members: tuple[Candidate, ...]
    shape: PackShape


@dataclass(frozen=True, slots=True)
class Company:
    """Who could share a call with a job, and what the pool is like."""

    scheduler: Scheduler
    limiter: Limiter
    look: Outlook


class Packs:
    """One per daemon: what was learned of packs, and the forming of them."""

    def __init__(self, shared: Shared, shapes: PackShapes) -> None:
        self._shared = shared
        self.shapes = shapes
        self.book = PackBook()
        self.canaries = DisagreementBook()
        self.returns = ReturnBook()
        self._arrivals = ArrivalBook()
        self._judgements = Judgements(shared)

    def form(self, candidate: Candidate, company: Company) -> Offer | Block | None:
        """The pack that goes for a job whose turn it is, why it waits, or None: it goes alone."""
        if candidate.pack is None or company.limiter.held:
            return None
        shape = self.shapes.of(candidate.pack, candidate.model)
        if shape is None or self.canaries.is_unpacked(shape.ref.name, shape.ref.version):
            return None
        shared, pool = self._shared, self._shared.prices.pool_of(candidate.model)
        if shared.holds.covering(candidate, pool, company.look.now_ms):
            return None
        if not self._has_time(candidate, shape, company):
            return None
        others = company.scheduler.queues.companions(candidate, shape.rules.max_items - 1)
        in_time = [other for other in others if self._has_time(other, shape, company)]
        members = self._fitting((candidate, *in_time), shape)
        until_ms = self._waits(members, shape, company)
        if not self._pays(candidate, shape, self._expected(members, shape, until_ms, company), company):
            return None
        if until_ms is not None:
            return _fill_block(members, shape, until_ms, company.look)
        return self._offer(members, shape, company) if len(members) > 1 else None

    def went(self, members: Sequence[Candidate]) -> None:
        """Jobs that may be packed go, together or alone: more like them are expected."""
        first = members[0]
        if first.pack is not None:
            self._arrivals.note(group_of(first), [member.submitted_ms for member in members])

    def worth(self, ref: PromptRef) -> Worth | None:
        """What was found last about whether full packs pay; None: nothing since the daemon started."""
        return self._judgements.of(ref)

    def memory(self) -> dict[str, Any]:
        """What is worth keeping over a restart, as plain JSON values."""
        return {
            "book": self.book.memory(),
            "canaries": self.canaries.memory(),
            "returns": self.returns.memory(),
            "arrivals": self._arrivals.memory(),
        }

    def recall(self, memory: Any) -> None:
        """Take up what an earlier process had learned."""
        if isinstance(memory, dict):
            self.book.recall(memory.get("book", []))
            self.canaries.recall(memory.get("canaries", []))
            self.returns.recall(memory.get("returns", []))
            self._arrivals.recall(memory.get("arrivals", []))

    def _fitting(self, found: Sequence[Candidate], shape: PackShape) -> tuple[Candidate, ...]:
        """As many of them as the rules allow, the first one whatever its size."""
        tokens, chars = 0.0, 0
        for number, candidate in enumerate(found):
            tokens += self._own_tokens(candidate, shape)
            chars += candidate.input_bytes
            is_too_much = tokens > shape.rules.max_input_tokens or chars > LARGEST_CHARS
            if number and is_too_much:
                return tuple(found[:number])
        return tuple(found[: shape.rules.max_items])

    def _own_tokens(self, candidate: Candidate, shape: PackShape) -> float:
        return max(1, candidate.input_bytes - shape.single_bytes) * TOKENS_PER_BYTE

    def _expected(
        self, members: tuple[Candidate, ...], shape: PackShape, until_ms: int | None, company: Company
    ) -> int:
        """How many items the pack of these will have when it goes, by what comes while they wait."""
        now_ms, items = company.look.now_ms, len(members)
        if until_ms is not None:
            per_s = self._arrivals.per_s(group_of(members[0]), now_ms)
            items += math.floor(per_s * (until_ms - now_ms) / 1000)
        return min(max(items, 2), shape.rules.max_items)

    def _pays(self, candidate: Candidate, shape: PackShape, items: int, company: Company) -> bool:
        """Whether a pack of so many is expected to pay."""
        case = self._case(candidate, shape, items, company)
        self._judgements.note(shape.ref, judge_worth(replace(case, items=shape.rules.max_items)))
        return judge_worth(case).pays

    def _case(self, candidate: Candidate, shape: PackShape, items: int, company: Company) -> Case:
        """What is compared. Single calls would find a warm prefix as surely as packs find theirs."""
        shared, look = self._shared, company.look
        prefixes, model, now_s = shared.prefixes, candidate.model, look.now_ms / 1000
        is_warm = prefixes.is_warm(model, candidate.prefix, now_s) or (
            candidate.prefix is not None and prefixes.is_warm(model, shape.prefix, now_s)
        )
        return Case(
            items=items,
            single=Prefix(round(shape.single_bytes * TOKENS_PER_BYTE), is_warm),
            packed=Prefix(round(shape.packed_bytes * TOKENS_PER_BYTE), is_warm),
            own_input_tokens=self._own_tokens(candidate, shape),
            answer_tokens=shared.estimator.demand(candidate, warm=True).output_tokens,
            verify=shape.rules.verify,
            rates=shared.prices.price_at(model, look.now_ms).standard,
            cache_minimum_tokens=shared.prices.find(model).cache_minimum_tokens,
            returned_share=self.returns.share(kind_of(candidate), look.now_ms),
            requests_are_scarce=company.limiter.pressure(look.now, Axis.REQUESTS) >= PRESSURE,
        )

    def _waits(self, members: tuple[Candidate, ...], shape: PackShape, company: Company) -> int | None:
        look, first = company.look, members[0]
        margin_ms = 2 * self._usual_ms(first, shape)
        deadlines = [member.deadline_ms - margin_ms for member in members if member.deadline_ms is not None]
        group = Group(
            rules=shape.rules,
            queued=len(members),
            input_tokens=sum(self._own_tokens(member, shape) for member in members),
            oldest_ms=min(member.submitted_ms for member in members),
            start_by_ms=min(deadlines, default=None),
            arrivals_per_s=self._arrivals.per_s(group_of(first), look.now_ms),
        )
        busy = len(members) > 1 or company.scheduler.is_busy(first)
        until_ms = wait_until(group, look.now_ms, pressure=look.pressure, lane_is_busy=busy)
        return None if until_ms is None or until_ms <= look.now_ms else until_ms

    def _usual_ms(self, candidate: Candidate, shape: PackShape) -> int:
        """How long a pack usually takes, at most as long as its jobs in turn; 0: nobody knows."""
        estimator, items = self._shared.estimator, shape.rules.max_items
        usual_s = estimator.duration_s(replace(candidate, items=items))
        if usual_s is None:
            usual_s = items * (estimator.duration_s(candidate) or 0.0)
        return round(1000 * usual_s)

    def _has_time(self, candidate: Candidate, shape: PackShape, company: Company) -> bool:
        """Whether its answer would come in time although those of others come with it."""
        deadline_ms, now_ms = candidate.deadline_ms, company.look.now_ms
        return deadline_ms is None or now_ms + self._usual_ms(candidate, shape) <= deadline_ms

    def _offer(self, members: tuple[Candidate, ...], shape: PackShape, company: Company) -> Offer | None:
        """The largest pack of these that the limits ever let through."""
        while len(members) > 1:
            stand_in = self.stand_in(members[0], members, shape)
            demand = self._shared.estimator.demand(stand_in, warm=False)
            size = Size(demand, self._shared.estimator.at_least(stand_in))
            if company.limiter.too_big(size.at_least, size.expected) is None:
                return Offer(stand_in, members, shape)
            members = members[: len(members) // 2]
        return None

    def stand_in(self, first: Candidate, members: Sequence[Candidate], shape: PackShape) -> Candidate:
        """The call of these jobs, under the name of the one that was chosen.

        It counts as shared whatever becomes of the others meanwhile: it teaches nothing of single calls.
        """
        items = max(2, len(members))
        own_bytes = sum(max(1, member.input_bytes - shape.single_bytes) for member in members)
        input_bytes = shape.packed_bytes + own_bytes + FRAME_BYTES * items
        overhead = (ENTRY_TOKENS[shape.rules.verify] + FRAME_TOKENS[shape.rules.verify]) * items
        most_output = self._shared.prices.find(first.model).max_output_tokens
        return replace(
            first,
            prefix=shape.prefix,
            input_bytes=input_bytes,
            max_tokens=min(most_output, sum(member.max_tokens for member in members) + overhead),
            most_input_tokens=input_bytes + INJECTED_TOKENS,
            deadline_ms=None,
            items=items,
        )


def group_of(candidate: Candidate) -> GroupKey:
    """What jobs must have in common to share a call."""
    assert candidate.pack is not None
    return candidate.pack, candidate.model, candidate.lane, candidate.workflow


def kind_of(candidate: Candidate) -> PackKind:
    """What packs must have in common to tell about each other how many items come back."""
    assert candidate.pack is not None
    return candidate.pack, candidate.model, candidate.workflow


def _fill_block(members: Sequence[Candidate], shape: PackShape, until_ms: int, look: Outlook) -> Block:
    has = plural(len(members), "job")
    why = f"it waits for others to share its call: {has} of {shape.rules.max_items} so far"
    until = look.now + max(0, until_ms - look.now_ms) / 1000
    return Block(Level.JOB, PACK_FILL, why, until)
