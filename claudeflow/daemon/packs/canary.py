"""Canaries: some packed jobs are asked again alone; prompts that answer otherwise are packed no more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import orjson

from claudeflow.claude.answer import text_of
from claudeflow.daemon.calls.gate import PoolGate
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.calls.side_calls import SideCalls
from claudeflow.daemon.calls.warming import stand_in_job
from claudeflow.daemon.packs.comparing import agreed
from claudeflow.daemon.packs.shapes import PackShape
from claudeflow.daemon.shared import Shared
from claudeflow.domain.attempt import Reply, Succeeded
from claudeflow.domain.errors import PromptError
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import Candidate, Job, JobId
from claudeflow.domain.pack_events import CanaryAnswered, PromptUnpacked
from claudeflow.policy.caching.plan import Turn
from claudeflow.policy.lanes.flow import key_of
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.policy.packing.canary import Verdict, picks
from claudeflow.store import caching as store_caching

KIND = "canary"

MOST_WAITING = 64
"""Canaries that wait for room: it is a sample, and more would only crowd out work."""

WHILE_BUSY = 0.02
"""While jobs wait for room, so many canaries go for each job that a pack has answered."""
MOST_SAVED = 5.0

TRY_AGAIN_S = 2.0
PATIENCE_S = 600.0
"""For so long a canary waits for room, then it is let go."""

GateOf = Callable[[str], PoolGate]


@dataclass(frozen=True, slots=True)
class Packed:
    """A job that a pack has answered."""

    candidate: Candidate
    job: Job
    answer: bytes
    shape: PackShape


class CanaryKeeper:
    """Asks and compares. One per daemon."""

    def __init__(self, shared: Shared, requests: Requests, gate_of: GateOf) -> None:
        self._shared = shared
        self._requests = requests
        self._gate_of = gate_of
        self._calls: SideCalls | None = None
        self._waiting: deque[tuple[Packed, float]] = deque(maxlen=MOST_WAITING)
        self._may_press = 0.0
        self.needed = asyncio.Event()
        """Set while any wait."""

    def use(self, calls: SideCalls) -> None:
        """From now on calls can be made."""
        self._calls = calls

    def offer(self, packed: Packed) -> None:
        """A job of a pack has its answer: by chance it is asked again."""
        clock = self._shared.clock
        self._may_press = min(MOST_SAVED, self._may_press + WHILE_BUSY)
        share = packed.shape.rules.canary.share
        if share > 0 and picks(share, clock.chance()):
            self._waiting.append((packed, clock.monotonic() + PATIENCE_S))
            self.needed.set()

    async def look(self) -> None:
        """Ask those for whom there is room. Raises StoreError."""
        later: list[tuple[Packed, float]] = []
        without_room: set[tuple[str, str, str]] = set()
        while self._waiting and self._calls is not None:
            packed, until = self._waiting.popleft()
            like_it = key_of(packed.candidate)
            if self._shared.clock.monotonic() >= until:
                continue
            if like_it in without_room or not await self._ask(packed, self._calls):
                without_room.add(like_it)
                later.append((packed, until))
        self._waiting.extend(later)
        if self._waiting:
            await asyncio.sleep(TRY_AGAIN_S)
        else:
            self.needed.clear()

    async def _ask(self, packed: Packed, calls: SideCalls) -> bool:
        """Whether the call was made, or never can be."""
        if not self._is_of_use(packed):
            return True
        shared, candidate = self._shared, packed.candidate
        gate = self._gate_of(candidate.model)
        is_busy = bool(gate.choosing.waits)
        if is_busy and self._may_press < 1:
            return False
        stand_in = replace(candidate, id=JobId(-candidate.id), pack=None)
        source = store_caching.Source(candidate, packed.job.body, packed.job.prompt)
        job = stand_in_job(shared, source, stand_in, gate.pool)
        try:
            plan = calls.caching.plan(stand_in)
            if plan.turn is Turn.WAIT:
                return False
            request = await self._requests.build(job, plan, streamed=plan.turn is Turn.LEAD)
            call = calls.admit(KIND, job, stand_in, plan, gate)
        except (UnknownModel, PromptError):
            return True
        if call is None:
            return False
        self._may_press -= is_busy
        opening = partial(
            store_caching.open_canary,
            job_id=candidate.id,
            pool=gate.pool,
            owner=shared.instance,
            now_ms=call.reservation.at_ms,
            reserved_nanousd=call.reservation.bound_nanousd,
        )
        call_id, reply = await calls.send(call, request, opening)
        if call_id is not None:
            await self._compare(packed, call_id, reply)
        return True

    async def _compare(self, packed: Packed, call_id: int, reply: Reply) -> None:
        """Note whether both answers are alike; one that failed says nothing."""
        if not isinstance(reply.outcome, Succeeded) or reply.message is None:
            return
        shared, rules, ref = self._shared, packed.shape.rules.canary, packed.shape.ref
        try:
            single = orjson.loads(text_of(orjson.loads(reply.message)))
        except orjson.JSONDecodeError:
            return
        found = await agreed(orjson.loads(packed.answer), single, rules)
        if isinstance(found, str):
            shared.emit(OwnTrouble(f"comparing answers of {ref.name}", found))
        elif shared.packs is not None:
            shared.emit(CanaryAnswered(call_id, ref.name, ref.version, found))
            verdict = shared.packs.canaries.note(ref.name, ref.version, rules.max_disagreement, agreed=found)
            self._tell(verdict)

    def _tell(self, verdict: Verdict | None) -> None:
        """A prompt version is packed no more, if that is what came out."""
        if verdict is None:
            return
        row = verdict.row
        self._shared.emit(
            PromptUnpacked(
                row.prompt,
                row.version,
                row.canaries,
                row.disagreements,
                verdict.max_disagreement,
                f"change the prompt, or pack it again with `claudeflow packs reset {row.prompt}`",
            )
        )

    def _is_of_use(self, packed: Packed) -> bool:
        """Whether the version is still packed: nobody pays for what is known already."""
        ref, packs = packed.shape.ref, self._shared.packs
        return packs is not None and not packs.canaries.is_unpacked(ref.name, ref.version)
