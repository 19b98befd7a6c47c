"""One organisation as the API knows it: its limits, cache, invoice and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.billing import Invoice
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.chance import Chance
from claudeflow.twin.changes import Change
from claudeflow.twin.diagnostics import Fingerprints
from claudeflow.twin.errors import ApiError
from claudeflow.twin.fault_answers import fault_error
from claudeflow.twin.faults import Fault, Mishap, PackFault
from claudeflow.twin.generation import Books, Generation, Order, Pace
from claudeflow.twin.headers import Gauges
from claudeflow.twin.limits import REQUESTS, Allowance, Refusal
from claudeflow.twin.meters import Meters, read_pool
from claudeflow.twin.models import Model
from claudeflow.twin.pool import Pool
from claudeflow.twin.pools import Pools
from claudeflow.twin.prefix import Prefix, read_prefix
from claudeflow.twin.replies import Reply, answer, chance_of, refusal, server_tools
from claudeflow.twin.request import MessageRequest
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.stats import Recorder
from claudeflow.twin.tiers import COUNT_TOKENS_RPM
from claudeflow.twin.wire import Visit

# How far the estimate at admission may be from the tokens that are charged in the end.
_ESTIMATE_ERROR = 0.1
_SPEED_SPREAD_SHARE = 0.5


class Organization:
    """Admits calls, from `now` on. All times are monotonic seconds."""

    def __init__(self, settings: TwinSettings, agenda: Agenda, now: float) -> None:
        self.invoice = Invoice()
        self.recorder = Recorder(now)
        self.pools = Pools(settings, agenda, now)
        self.tier = settings.tier
        self._settings = settings
        self._cache = PromptCache()
        self.cache_writes = self._cache.written
        self._fingerprints = Fingerprints()
        self._books = Books(self._cache, self.invoice, self.recorder, agenda)
        self._counting = Allowance(REQUESTS, COUNT_TOKENS_RPM[settings.tier], None, now)
        for change in settings.changes:
            agenda.at(now + change.at_s, partial(self.change, change))

    def admit(self, request: MessageRequest, prefix: Prefix, visit: Visit, fate: Mishap) -> Generation:
        """Charge one request and its input.

        Raises ApiError: 429 when a limit or the spend cap is reached, 400 for malformed diagnostics.
        """
        diagnosis = self._fingerprints.diagnose(request, visit.message_id)
        pool = self.pool(request.model, fast=request.fast)
        self._check_in_flight(pool)
        if self.is_spent:
            pool.refused["spend_cap"] += 1
            raise fault_error(Fault("spend_cap"))
        self.count_early(pool, visit.now)
        plan = self._cache.plan(prefix, request.model, visit.now)
        chance = chance_of(request, self._settings.seed)
        estimate = _estimate(plan, chance)
        refused = pool.admit(estimate, visit.now)
        if refused is not None:
            self.close(pool, refused.retry_after_s, visit.now)
            gauges = pool.gauges(visit.now, priority=request.takes_priority)
            raise LimitReached(refused, self._settings, request.model, gauges)
        reply = self._reply(request, chance, fate)
        pace = self._pace(chance, fate.latency_factor)
        order = Order(visit, request, reply, plan, pool, estimate, pace, fate, diagnosis)
        return Generation(order, self._books)

    def say(self, request: MessageRequest, chance: Chance, packs: Sequence[PackFault] = ()) -> Reply:
        """What the model answers; `packs` are the faults that befall a packed request."""
        settings = self._settings
        said = answer(
            request, chance, settings.reply_tokens, settings.reply_sigma, seed=settings.seed, packs=packs
        )
        return replace(said, server_tools=server_tools(request)) if request.body.get("tools") else said

    def admit_count(self, now: float) -> None:
        """Charge one token count, which has limits of its own. Raises ApiError (429)."""
        refused = self._counting.refuse(now)
        if refused is not None:
            message = "Number of token counting requests has exceeded your rate limit"
            raise ApiError(429, message, retry_after_s=refused.retry_after_s)
        self._counting.take(1, now)

    def pool(self, model: Model, *, fast: bool = False) -> Pool:
        """The limits that hold for a model; fast mode has a pool of its own."""
        return self.pools.of(model.pool, fast=fast)

    def change(self, change: Change, now: float) -> None:
        """Put other limits in force."""
        self.pools.change(change, now)
        if change.tier is not None and change.pool is None and change.model is None:
            self.tier = change.tier
            self._counting.change(COUNT_TOKENS_RPM[change.tier], now)

    def meters(self, now: float) -> Meters:
        """The meters of all pools."""
        return Meters(
            self.recorder.since_start(now), {pool.name: read_pool(pool, now) for pool in self.pools.all()}
        )

    def count_early(self, pool: Pool, now: float) -> None:
        """Count a call that comes before an earlier `retry-after` has passed."""
        told_at, until = pool.closed_until
        if told_at + self._settings.flight_s < now < until:
            self.recorder.early_calls += 1

    def close(self, pool: Pool, retry_after_s: int, now: float) -> None:
        """Remember that the client was told to wait; a shorter wait never shortens one that runs."""
        told_at, until = pool.closed_until
        pool.closed_until = (told_at if now < until else now, max(until, now + retry_after_s))

    @property
    def is_spent(self) -> bool:
        """Whether as much was billed as may be in all."""
        cap = self._settings.spend_cap_nanousd
        return cap is not None and self.invoice.total_nanousd >= cap

    def _check_in_flight(self, pool: Pool) -> None:
        most = self._settings.max_in_flight
        if most is not None and self.recorder.in_flight >= most:
            pool.refused["in_flight"] += 1
            message = "Number of concurrent connections has exceeded your rate limit. Please try again later."
            raise ApiError(429, message)

    def _reply(self, request: MessageRequest, chance: Chance, fate: Mishap) -> Reply:
        if fate.body is not None and fate.body.kind == "refusal":
            return refusal(fate.body.category)
        return self.say(request, chance, fate.packs)

    def _pace(self, chance: Chance, factor: float) -> Pace:
        settings = self._settings
        ttft_s, speed = settings.ttft_s, settings.tokens_per_s
        if ttft_s:
            ttft_s = chance.log_normal(ttft_s, settings.latency_sigma) * factor
        if speed:
            speed = chance.log_normal(speed, settings.latency_sigma * _SPEED_SPREAD_SHARE) / max(factor, 1e-9)
        return Pace(ttft_s, speed)


def weigh(request: MessageRequest) -> Prefix:
    """A prompt in tokens, and its breakpoints. Raises ApiError (400) for one that the model cannot take."""
    prefix = read_prefix(request.body, request.model, request.workspace)
    window = request.model.context_tokens
    if prefix.total_tokens > window:
        raise ApiError(400, f"prompt is too long: {prefix.total_tokens} tokens > {window} maximum")
    return prefix


class LimitReached(ApiError):
    """A 429 of the limits, with the gauges that its headers show."""

    def __init__(self, refused: Refusal, settings: TwinSettings, model: Model, gauges: Gauges) -> None:
        owner = "workspace" if refused.workspace else "organization"
        limit = f"rate limit of {refused.limit:,} {refused.dimension} per minute"
        if refused.ramp:
            limit = "acceleration limit, which caps how fast usage can grow"
        message = (
            f"This request would exceed your {owner}'s {limit} "
            f"(org: {settings.organization_id}, model: {model.id}). "
            "For details, refer to: https://docs.claude.com/en/api/rate-limits. "
            "You can see the response headers for current usage. "
            "Please reduce the prompt length or the maximum tokens requested, or try again later."
        )
        code = "ramp_limit_exceeded" if refused.ramp else None
        super().__init__(429, message, code=code, retry_after_s=refused.retry_after_s)
        self.gauges = gauges


def _estimate(plan: CachePlan, chance: Chance) -> int:
    return round(plan.charged_input * (1 - _ESTIMATE_ERROR + 2 * _ESTIMATE_ERROR * chance.share()))
