"""The endpoints of batches: from an HTTP request to its answer, with the faults that befall it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from claudeflow.twin.agenda import Agenda
from claudeflow.twin.batches.batch import Batch
from claudeflow.twin.batches.creation import read_creation
from claudeflow.twin.batches.office import BatchOffice
from claudeflow.twin.batches.pages import batch_json, origin_of, page_of
from claudeflow.twin.batches.results import ResultLines
from claudeflow.twin.batches.rules import PATH
from claudeflow.twin.batches.strikes import BatchScript, Strike
from claudeflow.twin.batches.tally import NO_BATCHES, BatchStats, BatchView, view_of
from claudeflow.twin.clock import Clock
from claudeflow.twin.envelope import Envelope
from claudeflow.twin.errors import ApiError, ConnectionDropped
from claudeflow.twin.fault_answers import fault_error, html_page
from claudeflow.twin.faults import Fault
from claudeflow.twin.organization import Organization
from claudeflow.twin.request import read_version
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.wire import HttpAnswer, HttpCall, Visit

_ENDPOINTS = {
    ("POST", 0): "create",
    ("GET", 0): "list",
    ("GET", 1): "get",
    ("DELETE", 1): "delete",
    ("GET", 2): "results",
    ("POST", 2): "cancel",
}
_POLL_AGAIN_S = 10
_CONTENT_TYPE = b"content-type"
_Handler = Callable[[BatchOffice, HttpCall, Visit, Strike], HttpAnswer]


class BatchDesk:
    """Answers calls about the batches of one organisation after another. `script` is the one in force."""

    def __init__(self, settings: TwinSettings, envelope: Envelope, clock: Clock, agenda: Agenda) -> None:
        self.script = BatchScript((), settings.seed)
        self._settings = settings
        self._envelope = envelope
        self._clock = clock
        self._agenda = agenda
        self._office: BatchOffice | None = None
        self._handlers: dict[str, _Handler] = {
            "create": self._create,
            "list": self._list,
            "get": self._get,
            "delete": self._delete,
            "results": self._results,
            "cancel": self._cancel,
        }

    def open(self, organization: Organization, now: float) -> None:
        """Serve an organisation that has no batches yet."""
        self._office = BatchOffice(self._settings, self._agenda, organization, now)
        self.script.open(now)

    def close(self) -> None:
        """Forget all batches."""
        self._office = None

    def views(self) -> list[BatchView]:
        """The batches that are not deleted, in the order of their creation."""
        return [view_of(batch) for batch in self._office.batches.values()] if self._office else []

    def stats(self) -> BatchStats:
        """The counters as a value."""
        return self._office.stats() if self._office else NO_BATCHES

    async def answer(self, call: HttpCall, visit: Visit) -> HttpAnswer:
        """Answer one call. Raises ConnectionDropped, and ApiError for a path that is not known."""
        endpoint = _endpoint(call)
        office, strike = self._office, self.script.strike(endpoint, visit.now)
        assert office is not None
        office.count(endpoint, visit.now)
        try:
            if strike.answer is not None:
                return await self._mishap(strike.answer, visit, strike)
            read_version(call.headers)
            office.admit(visit.now)
            return self._handlers[endpoint](office, call, visit, strike)
        except ApiError as error:
            if error.retry_after_s is not None:
                office.close(error.retry_after_s, visit.now)
            return self._envelope.error(error, visit, strike.mishap)

    async def _mishap(self, fault: Fault, visit: Visit, strike: Strike) -> HttpAnswer:
        if fault.kind == "silent":
            await self._clock.sleep(fault.for_s)
        if fault.kind in ("silent", "conn_reset"):
            raise ConnectionDropped
        if fault.kind == "error_502_html":
            return html_page(visit, strike.mishap.skew_s)
        raise fault_error(fault)

    def _create(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        if strike.first("batch_create_unheard"):
            raise ConnectionDropped
        custom_ids, contents = read_creation(call.body)
        batch = Batch(visit, call.headers, custom_ids, contents, strike)
        office.create(batch)
        if strike.first("batch_create_lost"):
            raise ConnectionDropped
        return self._described(batch, call, visit, strike)

    def _list(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        workspace, origin = _workspace(call), origin_of(call)
        visible = [batch for batch in office.batches.values() if batch.workspace == workspace]
        page = page_of(visible, call.query, lambda batch: batch_json(batch, origin))
        return self._told(page, visit, strike)

    def _get(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        batch = _named(office, call)
        if visit.now < batch.created_at + self._settings.batch_hidden_s:
            raise ApiError(404, f"Message Batch {batch.id} not found.")
        answer = self._described(batch, call, visit, strike)
        if batch.ended_at is not None or strike.first("headers_lost"):
            return answer
        return replace(answer, headers=[*answer.headers, (b"retry-after", b"%d" % _POLL_AGAIN_S)])

    def _delete(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        batch = _named(office, call)
        office.delete(batch)
        return self._told({"id": batch.id, "type": "message_batch_deleted"}, visit, strike)

    def _cancel(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        batch = _named(office, call)
        office.cancel(batch, visit.now)
        return self._described(batch, call, visit, strike)

    def _results(self, office: BatchOffice, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        batch = _named(office, call)
        if batch.ended_at is None or batch.archived_at is not None:
            raise ApiError(404, f"Message Batch {batch.id} has no available results.")
        common = self._told(None, visit, strike).headers
        headers = [
            (_CONTENT_TYPE, b"application/x-jsonl"),
            (b"content-disposition", b"attachment; filename*=utf-8''%s_results.jsonl" % batch.id.encode()),
            *(header for header in common if header[0] != _CONTENT_TYPE),
        ]
        return HttpAnswer(200, headers, ResultLines(batch, self._settings.seed, strike, self._clock))

    def _described(self, batch: Batch, call: HttpCall, visit: Visit, strike: Strike) -> HttpAnswer:
        return self._told(batch_json(batch, origin_of(call)), visit, strike)

    def _told(self, document: Any, visit: Visit, strike: Strike) -> HttpAnswer:
        # Only what is told is skewed: the batch itself lives by the twin's own clock.
        return self._envelope.json(document, replace(visit, offset_s=visit.offset_s + strike.mishap.skew_s))


def _endpoint(call: HttpCall) -> str:
    """The name of the endpoint. Raises ApiError: 404 for a path that is none, 405 for a wrong method."""
    steps = _steps(call)
    last = steps[1] if len(steps) == 2 else ""
    if len(steps) > 2 or last not in ("", "results", "cancel"):
        raise ApiError(404, "Not Found")
    endpoint = _ENDPOINTS.get((call.method, len(steps)))
    if endpoint is None or last not in ("", endpoint):
        raise ApiError(405, "Method Not Allowed")
    return endpoint


def _steps(call: HttpCall) -> list[str]:
    return [step for step in call.path.removeprefix(PATH).split("/") if step]


def _named(office: BatchOffice, call: HttpCall) -> Batch:
    return office.find(_steps(call)[0], _workspace(call))


def _workspace(call: HttpCall) -> str:
    return call.headers.get("anthropic-workspace-id", "")
