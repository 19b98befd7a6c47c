"""Choosing: which jobs of a pool go now, which can never go, and when to look again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from claudeflow.daemon.budgets.keeper import IN_FLIGHT, SPENT
from claudeflow.daemon.calls.caching import Caching
from claudeflow.daemon.packs.packs import PACK_COLD, Company, Offer, group_of
from claudeflow.daemon.shared import Shared
from claudeflow.domain.events import OwnTrouble
from claudeflow.domain.job import Candidate, JobError, JobId
from claudeflow.policy.caching.plan import Plan
from claudeflow.policy.lanes.admission import Admitted, Nobody, Size, TooLarge, Wait, admit
from claudeflow.policy.lanes.lane_rules import Outlook
from claudeflow.policy.lanes.parking import LEVEL_OF, Block, Level
from claudeflow.policy.lanes.scheduler import LOOK_AT_MOST, Scheduler
from claudeflow.policy.lanes.worth import worth_of
from claudeflow.policy.limits.limiter import Limiter, Permit
from claudeflow.policy.money.accounts import Reservation
from claudeflow.policy.money.pricing import UnknownModel
from claudeflow.policy.packing.waiting import GroupKey

CLAIM_LIMIT = 16
"""How many jobs start in one turn of the loop: more would hold up everything else for too long."""

RECHECK_S = 1.0
"""How soon to look again at jobs whose hold is being probed."""

TROUBLE_PAUSE_S = 60.0
"""How soon to look again at a job that could not be judged or claimed by a fault of ours."""

TOO_LARGE = "too_large_for_limits"


@dataclass(frozen=True, slots=True)
class Choice:
    """A job that goes now, and what its call does about the cache. With `offer` others share that call."""

    candidate: Candidate
    permit: Permit
    reservation: Reservation
    plan: Plan
    offer: Offer | None = None

    @property
    def call(self) -> Candidate:
        """The call as limiter, cache and budgets see it."""
        return self.candidate if self.offer is None else self.offer.stand_in

    @property
    def others(self) -> tuple[Candidate, ...]:
        """The jobs that share it."""
        return () if self.offer is None else self.offer.members[1:]


@dataclass(slots=True)
class Choices:
    """What was decided. `again_at`: monotonic seconds, None when only an event can change anything."""

    go: list[Choice] = field(default_factory=list)
    too_large: list[tuple[Candidate, JobError]] = field(default_factory=list)
    again_at: float | None = None


class CannotChoose(Exception):
    """A fault of ours in judging one job: the others go on."""

    def __init__(self, candidate: Candidate, problem: Exception) -> None:
        super().__init__(f"{type(problem).__name__}: {problem}")
        self.candidate = candidate


class Choosing:
    """The decisions of one pool; changes the scheduler and the limiter, and waits for nothing."""

    def __init__(self, pool: str, limiter: Limiter, scheduler: Scheduler, shared: Shared) -> None:
        self._pool = pool
        self._limiter = limiter
        self._scheduler = scheduler
        self._shared = shared
        self._caching = Caching(shared, self._has_another)
        self._offers: dict[JobId, Offer] = {}
        self._cold_packs: dict[GroupKey, Block] = {}
        self._unpriced: set[str] = set()
        self._set_aside = 0
        self.waits: tuple[Wait, ...] = ()
        self.waits_for_settlement = False

    def outlook(self) -> Outlook:
        """What choices are made by at this moment."""
        clock = self._shared.clock
        now = clock.monotonic()
        return Outlook(self._judge_in_turn, now, clock.epoch_ms(), self._limiter.pressure(now))

    def choose(self) -> Choices:
        """Take the jobs that go now."""
        look = self.outlook()
        self.waits, self._set_aside = (), 0
        self._offers, self._cold_packs = {}, {}
        choices = Choices(again_at=look.now)
        for _ in range(CLAIM_LIMIT):
            try:
                if not self._choose_one(choices, look):
                    break
            except CannotChoose as trouble:
                self.set_aside(trouble.candidate, str(trouble))
        return choices

    def set_aside(self, candidate: Candidate, problem: str) -> None:
        """The job could not be judged or claimed by a fault of ours: the others go on, it is tried later."""
        self._shared.emit(OwnTrouble(f"choosing job {candidate.id}", problem))
        until = self._shared.clock.monotonic() + TROUBLE_PAUSE_S
        why = f"claudeflow failed over this job and will try again: {problem}"
        self._scheduler.queues.park(candidate, Block(Level.JOB, "own_trouble", why, until))

    def judge(self, candidate: Candidate) -> Block | None:
        """Why a job may not go, for reasons that are not its lane's."""
        return self._hindered(candidate) or self._caching.block(candidate) or self._over_budget(candidate)

    def size(self, candidate: Candidate) -> Size:
        """What the job's call is expected to draw now, and what it draws at the very least."""
        call = self._call_of(candidate)
        warm, estimator = self._caching.is_warm(call), self._shared.estimator
        return Size(estimator.demand(call, warm=warm), estimator.at_least(call))

    def _choose_one(self, choices: Choices, look: Outlook) -> bool:
        """Find the next job that goes or never can; False when there is none. Raises CannotChoose."""
        match admit(self._scheduler, self._limiter, look, self._size_in_turn):
            case Admitted() as found:
                choices.go += self._take(found, look)
            case TooLarge(candidate, problem):
                self._scheduler.gone(candidate)
                error = JobError(TOO_LARGE, f"the limits never let this job go: {problem}")
                choices.too_large.append((candidate, error))
            case Nobody(waits, again_at):
                more_behind = self._set_aside >= LOOK_AT_MOST
                self.waits, choices.again_at = waits, look.now if more_behind else again_at
                return False
        return True

    def _size_in_turn(self, candidate: Candidate) -> Size:
        with _our_fault(candidate):
            return self.size(candidate)

    def _judge_in_turn(self, candidate: Candidate) -> Block | None:
        """The same of a job whose turn it is."""
        with _our_fault(candidate):
            block = (
                self._hindered(candidate)
                or self._cold_pack(candidate)
                or self._formed(candidate)
                or self._cold(candidate)
                or self._over_budget(self._call_of(candidate), in_turn=True)
            )
        if block is not None:
            self._note_block(block)
        return block

    def _note_block(self, block: Block) -> None:
        self._set_aside += block.level is Level.JOB
        self.waits_for_settlement |= block.rule == IN_FLIGHT

    def _hindered(self, candidate: Candidate) -> Block | None:
        return self._without_price(candidate) or self._held(candidate)

    def _formed(self, candidate: Candidate) -> Block | None:
        """Form the pack that the job goes in, if it is one; why it waits for more."""
        self._offers.pop(candidate.id, None)
        packs = self._shared.packs
        if packs is None or candidate.pack is None:
            return None
        clock = self._shared.clock
        now = clock.monotonic()
        look = Outlook(self._judge_in_turn, now, clock.epoch_ms(), self._limiter.pressure(now))
        found = packs.form(candidate, Company(self._scheduler, self._limiter, look))
        if isinstance(found, Offer) and not self._is_too_dear(found.stand_in):
            self._offers[candidate.id] = found
        return found if isinstance(found, Block) else None

    def _is_too_dear(self, call: Candidate) -> bool:
        """Whether a budget has no room for it in this period: for one of its jobs there may be some."""
        block = self._over_budget(call)
        return block is not None and block.rule == SPENT

    def _cold_pack(self, candidate: Candidate) -> Block | None:
        """What this turn has shown of packs like the job's: not every job of a long queue forms one anew."""
        if candidate.pack is None or candidate.deadline_ms is not None:
            return None
        return self._cold_packs.get(group_of(candidate))

    def _call_of(self, candidate: Candidate) -> Candidate:
        offer = self._offers.get(candidate.id)
        return candidate if offer is None else offer.stand_in

    def _cold(self, candidate: Candidate) -> Block | None:
        """Whether the job waits for another one that writes its prefix, its own or that of its pack."""
        call = self._call_of(candidate)
        block = self._caching.block(call)
        if block is None or call is candidate:
            return block
        cold = Block(Level.JOB, PACK_COLD, block.why, block.until)
        self._cold_packs[group_of(candidate)] = cold
        return cold

    def _has_another(self, candidate: Candidate) -> bool:
        """Whether another call with the same path waits: then its prefix is worth writing."""
        if candidate.items == 1:
            return self._scheduler.queues.has_another(candidate)
        limit = candidate.items
        return len(self._scheduler.queues.companions(candidate, limit)) >= limit

    def _over_budget(self, candidate: Candidate, *, in_turn: bool = False) -> Block | None:
        if not self._shared.budgets.may_stop(candidate):
            return None
        try:
            return self._shared.budgets.block(candidate, self._caching.plan(candidate), in_turn=in_turn)
        except UnknownModel as problem:
            return Block(Level.JOB, "price", str(problem))

    def _without_price(self, candidate: Candidate) -> Block | None:
        """A call without a price could not be booked: its job waits until the price list names the model."""
        model = candidate.model
        try:
            self._shared.prices.find(model)
        except UnknownModel as problem:
            if model not in self._unpriced:
                self._unpriced.add(model)
                self._shared.emit(OwnTrouble("pricing a call", str(problem)))
            return Block(Level.MODEL, "price", f"model {model} has no price: add it to the price list")
        self._unpriced.discard(model)
        return None

    def _held(self, candidate: Candidate) -> Block | None:
        shared = self._shared
        now_ms = shared.clock.epoch_ms()
        stop = shared.holds.stops(candidate, self._pool, now_ms)
        if stop is None:
            return None
        hold, now = stop.hold, shared.clock.monotonic()
        why = f"{hold.scope} is held: {hold.reason}; {hold.way_out}"
        if stop.until_ms is None:
            until = now + RECHECK_S if hold.is_probed else None
        else:
            until = now + max(0.0, (stop.until_ms - now_ms) / 1000)
        return Block(LEVEL_OF[hold.scope.kind], "hold", why, until)

    def _take(self, found: Admitted, look: Outlook) -> list[Choice]:
        """Nothing when money ran out since the job was judged: another period may have begun."""
        candidate = found.candidate
        reservation = self._reserve(found, look)
        if isinstance(reservation, Block):
            self._limiter.abandon(found.permit, look.now)
            self._note_block(reservation)
            self._scheduler.queues.park(candidate, reservation)
            return []
        offer = self._offers.pop(candidate.id, None)
        choice = Choice(candidate, found.permit, reservation, self._start(candidate, offer), offer)
        self._shared.holds.gone(candidate, self._pool, look.now_ms)
        self._scheduler.take(candidate, worth_of(found.demand))
        for other in choice.others:
            self._scheduler.gone(other)
        return [choice]

    def _start(self, candidate: Candidate, offer: Offer | None) -> Plan:
        """The call is chosen: what it does about the cache."""
        if self._shared.packs is not None and candidate.pack is not None:
            self._shared.packs.went((candidate,) if offer is None else offer.members)
        return self._caching.start(candidate if offer is None else offer.stand_in)

    def _reserve(self, found: Admitted, look: Outlook) -> Reservation | Block:
        call = self._call_of(found.candidate)
        try:
            with _our_fault(found.candidate):
                plan = self._caching.plan(call)
                return self._shared.budgets.reserve(call, plan, look.now_ms)
        except CannotChoose:
            self._limiter.abandon(found.permit, look.now)
            raise


@contextmanager
def _our_fault(candidate: Candidate) -> Iterator[None]:
    """Whatever goes wrong concerns this job alone. Raises CannotChoose."""
    try:
        yield
    except Exception as problem:
        raise CannotChoose(candidate, problem) from problem
