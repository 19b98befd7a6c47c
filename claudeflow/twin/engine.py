"""The twin itself: it answers one parsed request after another."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from claudeflow.twin import catalogue
from claudeflow.twin.admin import ADMIN_KEY_BEGINS, Reports
from claudeflow.twin.admin import PREFIX as ADMIN_PREFIX
from claudeflow.twin.agenda import Agenda, PunctualClock
from claudeflow.twin.batches.desk import BatchDesk
from claudeflow.twin.batches.rules import PATH as BATCHES_PATH
from claudeflow.twin.batches.strikes import BatchScript
from claudeflow.twin.batches.tally import BatchView
from claudeflow.twin.billing import Invoice
from claudeflow.twin.bodies import EventStream, stream_pieces
from claudeflow.twin.cache import CacheWrite
from claudeflow.twin.chance import Chance
from claudeflow.twin.changes import Change
from claudeflow.twin.clock import Clock, LoopClock
from claudeflow.twin.envelope import Envelope
from claudeflow.twin.errors import ApiError, ConnectionDropped, ConnectionRefused
from claudeflow.twin.fault_answers import fault_error, html_page
from claudeflow.twin.faults import NO_MISHAP, OUTAGE, Fault, FaultScript, Mishap
from claudeflow.twin.generation import Generation
from claudeflow.twin.meters import Meters
from claudeflow.twin.organization import Organization, weigh
from claudeflow.twin.prefix import read_prefix
from claudeflow.twin.request import (
    MessageRequest,
    check_prompt,
    read_body,
    read_key,
    read_model,
    read_request,
    read_version,
)
from claudeflow.twin.settings import TwinSettings, takes_time
from claudeflow.twin.stats import DROPPED, CallLine, Stats
from claudeflow.twin.wire import HttpAnswer, HttpCall, Visit

_Handler = Callable[[HttpCall, Visit], Coroutine[Any, Any, HttpAnswer]]


class Twin:
    """A simulated Claude API for one organisation.

    `handle` answers one request. It raises ConnectionDropped where the real connection would break,
    and notices by cancellation that a client went away. Not for use by several threads.
    """

    def __init__(self, settings: TwinSettings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or TwinSettings()
        self._agenda = Agenda()
        self._clock = PunctualClock(clock or LoopClock(self.settings.epoch_s), self._agenda)
        self._envelope = Envelope(self.settings, self._clock)
        self._desk = BatchDesk(self.settings, self._envelope, self._clock, self._agenda)
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("POST", "/v1/messages"): self._messages,
            ("POST", "/v1/messages/count_tokens"): self._count_tokens,
            ("GET", catalogue.PATH): self._models,
        }
        self._numbers = count(1)
        self._salt = f"{Chance(self.settings.seed, b'request ids').below(10**8):08d}"
        self._last_now = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget everything, and go back to the settings' own script."""
        self._agenda.clear()
        self._desk.close()
        self._opened: Organization | None = None
        self._install(self.settings.faults, None)

    def start(self) -> None:
        """Start the twin's time now instead of with the first request."""
        self._open(self._now())

    def invoice(self) -> Invoice:
        """Everything billed so far."""
        self._catch_up()
        return self._organization.invoice

    def batches(self) -> list[BatchView]:
        """The batches that are not deleted, as they stand now."""
        self._catch_up()
        return self._desk.views()

    def calls(self) -> list[CallLine]:
        """A line for each message call that has ended."""
        return self._organization.recorder.lines

    def cache_writes(self) -> list[CacheWrite]:
        """Every prefix that was written so far. Times are the clock's monotonic seconds."""
        return self._organization.cache_writes

    def meters(self) -> Meters:
        """What was granted, used and refused until now, in each pool."""
        return self._organization.meters(self._now_or_last())

    def stats(self) -> Stats:
        """Counters, and the meters of the pools that somebody used."""
        organization = self._organization
        meters = organization.meters(self._now_or_last())
        writes = organization.cache_writes
        total_nanousd, batches = organization.invoice.total_nanousd, self._desk.stats()
        return organization.recorder.snapshot(total_nanousd, meters, writes, batches)

    def replace_faults(self, faults: tuple[Fault, ...]) -> None:
        """Put another fault script in force; its time and its calls count from now."""
        self._install(faults, self._now_or_last())

    def change_limits(self, change: Change) -> None:
        """Change limits now, whatever the change's own time says."""
        now = self._now()
        self._open(now).change(change, now)

    def consume(
        self, model: str, *, requests: int = 0, input_tokens: int = 0, output_tokens: int = 0
    ) -> None:
        """Draw at once on the limits of a model's pool, as another user of the same organisation does."""
        now = self._now()
        pool = self._open(now).pool(read_model({"model": model}))
        for axis, amount in zip(pool.axes, (requests, input_tokens, output_tokens), strict=True):
            axis.own.lose(amount, now)

    async def handle(self, call: HttpCall) -> HttpAnswer:
        """Answer one request of the API. Raises ConnectionDropped."""
        now = self._now()
        organization = self._open(now)
        request_id = f"req_011C{self._salt}{next(self._numbers):012d}"
        visit = Visit(request_id, now, self._clock.epoch() - now)
        if self._script.outage(now):
            organization.recorder.arrived(now)
            self._note(visit, "", DROPPED, OUTAGE)
            raise ConnectionRefused
        try:
            self._authorize(call)
            return await self._handler(call)(call, visit)
        except ApiError as error:
            return self._envelope.error(error, visit, NO_MISHAP)

    def _handler(self, call: HttpCall) -> _Handler:
        handler = self._handlers.get((call.method, call.path))
        if handler is not None:
            return handler
        if call.path == BATCHES_PATH or call.path.startswith(f"{BATCHES_PATH}/"):
            return self._desk.answer
        if call.method == "GET" and call.path.startswith(f"{catalogue.PATH}/"):
            return self._models
        if call.method == "GET" and call.path.startswith(ADMIN_PREFIX):
            return self._report
        if any(path == call.path for _, path in self._handlers):
            raise ApiError(405, "Method Not Allowed")
        raise ApiError(404, "Not Found")

    def _authorize(self, call: HttpCall) -> None:
        key, settings = read_key(call.headers), self.settings
        if not key:
            raise ApiError(401, "x-api-key header is required")
        admin = call.path.startswith(ADMIN_PREFIX)
        accepted = settings.admin_keys if admin else settings.keys
        if key.startswith(ADMIN_KEY_BEGINS) is not admin or (accepted and key not in accepted):
            raise ApiError(401, "invalid x-api-key")

    async def _messages(self, call: HttpCall, visit: Visit) -> HttpAnswer:
        self._organization.recorder.arrived(visit.now)
        model, fate = "", NO_MISHAP
        try:
            request = read_request(read_body(call.body), call.headers)
            model = request.model.id
            fate = self._script.fate(request.model.names, visit.now)
            if fate.answer is not None:
                return await self._mishap(fate.answer, fate.skew_s, request, visit)
            return await self._serve(request, visit, fate)
        except ApiError as error:
            self._note(visit, model, error.status, error.code or error.message)
            return self._envelope.error(error, visit, fate)

    async def _serve(self, request: MessageRequest, visit: Visit, fate: Mishap) -> HttpAnswer:
        prefix = weigh(request)
        if fate.body is not None and fate.body.kind == "stream_error" and not request.stream:
            raise fault_error(fate.body)
        generation = self._organization.admit(request, prefix, visit, fate)
        return await (self._stream(generation) if request.stream else self._plain(generation))

    async def _plain(self, generation: Generation) -> HttpAnswer:
        order = generation.order
        fault = order.mishap.body
        stall_s = fault.for_s if fault is not None and fault.kind == "stall" else 0.0
        try:
            if order.duration_s + stall_s > 0.0:
                await self._clock.sleep(order.duration_s + stall_s)
            if stall_s:
                generation.interrupt(self._now())
                raise ConnectionDropped
            generation.finish(self._now())
        finally:
            if not generation.settled:
                generation.abandon(self._now())
        return self._envelope.message(generation)

    async def _stream(self, generation: Generation) -> HttpAnswer:
        order, settings = generation.order, self.settings
        if order.pace.ttft_s > 0.0:
            try:
                await self._clock.sleep(order.pace.ttft_s)
            except BaseException:
                generation.abandon(self._now())
                raise
            generation.begin(self._now())
        headers = self._envelope.stream_headers(generation)
        if order.pace.tokens_per_s == 0.0 and order.mishap.body is None and order.mishap.gap_s == 0.0:
            pieces = stream_pieces(generation, settings.tokens_per_event)
            body = b"".join([piece.data for piece in pieces])
            generation.finish(self._now())
            return HttpAnswer(200, headers, body)
        stream = EventStream(generation, self._clock, settings.tokens_per_event, settings.ping_interval_s)
        return HttpAnswer(200, headers, stream)

    async def _mishap(self, fault: Fault, skew_s: float, request: MessageRequest, visit: Visit) -> HttpAnswer:
        model, organization = request.model, self._organization
        pool = organization.pool(model, fast=request.fast)
        pool.refused[fault.kind] += 1
        if fault.kind in ("silent", "conn_reset"):
            self._note(visit, model.id, DROPPED, fault.kind)
            if fault.kind == "silent":
                await self._clock.sleep(fault.for_s)
            raise ConnectionDropped
        organization.count_early(pool, visit.now)
        if fault.kind == "error_502_html":
            self._note(visit, model.id, 502, fault.kind)
            return html_page(visit, skew_s)
        error = fault_error(fault)
        if error.retry_after_s is not None:
            organization.close(pool, error.retry_after_s, visit.now)
        raise error

    async def _count_tokens(self, call: HttpCall, visit: Visit) -> HttpAnswer:
        read_version(call.headers)
        body = read_body(call.body)
        model = read_model(body)
        check_prompt(body, model)
        self._organization.admit_count(visit.now)
        return self._envelope.json({"input_tokens": read_prefix(body, model, "").total_tokens}, visit)

    async def _models(self, call: HttpCall, visit: Visit) -> HttpAnswer:
        read_version(call.headers)
        return self._envelope.json(catalogue.document(call.path, call.query), visit)

    async def _report(self, call: HttpCall, visit: Visit) -> HttpAnswer:
        read_version(call.headers)
        reports = Reports(self.settings, self._organization.invoice.lines, visit.epoch_s)
        return self._envelope.json(reports.answer(call.path, call.query, call.headers), visit)

    def _install(self, faults: tuple[Fault, ...], since: float | None) -> None:
        self._script = FaultScript(faults, self.settings.seed, since)
        self._desk.script = BatchScript(faults, self.settings.seed, since)
        self.takes_time = takes_time(self.settings, faults)

    def _open(self, now: float) -> Organization:
        """The organisation, whose time begins now unless it has begun."""
        if self._opened is None:
            self._opened = Organization(self.settings, self._agenda, now)
            self._desk.open(self._opened, now)
            self._script.open(now)
            self._agenda.run(now)
        return self._opened

    @property
    def _organization(self) -> Organization:
        """What reports are about; one in which nothing has happened before time has begun."""
        return self._opened or Organization(self.settings, Agenda(), self._last_now)

    def _note(self, visit: Visit, model: str, status: int, error: str) -> None:
        recorder = self._organization.recorder
        at_s = recorder.since_start(visit.now)
        recorder.note(CallLine(at_s, visit.request_id, model, status, error=error))

    def _catch_up(self) -> None:
        """Have the work on batches done that is due by now."""
        if self._opened is not None:
            self._now_or_last()

    def _now(self) -> float:
        self._last_now = self._clock.monotonic()
        return self._last_now

    def _now_or_last(self) -> float:
        try:
            return self._now()
        except RuntimeError:
            # Outside the loop, as in a report after the run, the last known moment is the present.
            return self._last_now
