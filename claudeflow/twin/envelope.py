"""Answers put together: common headers, rate-limit headers, JSON and error envelopes."""

from __future__ import annotations

from typing import Any

import orjson

from claudeflow.twin.bodies import BrokenBody, SlowBody
from claudeflow.twin.clock import Clock
from claudeflow.twin.errors import ApiError
from claudeflow.twin.faults import NO_MISHAP, Mishap
from claudeflow.twin.generation import Generation
from claudeflow.twin.headers import Header, http_date, rate_headers, whole_seconds
from claudeflow.twin.message import message_json
from claudeflow.twin.organization import LimitReached
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.wire import HttpAnswer, Visit

_JSON: Header = (b"content-type", b"application/json")
_EVENTS: Header = (b"content-type", b"text/event-stream; charset=utf-8")
_NO_CACHE: Header = (b"cache-control", b"no-cache")
_ALL_LOST = "none"
# On record for these statuses; whether others carry the header is not known.
_NEVER_RETRY = (400, 401, 402, 404, 413)


class Envelope:
    """Builds the HTTP side of every answer."""

    def __init__(self, settings: TwinSettings, clock: Clock) -> None:
        self._families = settings.header_families
        self._organization = (b"anthropic-organization-id", settings.organization_id.encode())
        self._clock = clock

    def json(self, document: Any, visit: Visit) -> HttpAnswer:
        """A successful answer without rate-limit headers."""
        return HttpAnswer(200, [_JSON, *self._common(visit, NO_MISHAP)], orjson.dumps(document))

    def error(self, error: ApiError, visit: Visit, fate: Mishap) -> HttpAnswer:
        """An error; only those of the limits carry rate-limit headers."""
        headers = [_JSON, *self._common(visit, fate)]
        if error.status in _NEVER_RETRY:
            headers.append((b"x-should-retry", b"false"))
        if fate.families == _ALL_LOST:
            return HttpAnswer(error.status, headers, error.body(visit.request_id))
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        if isinstance(error, LimitReached):
            headers.append((b"x-should-retry", b"true"))
            families = fate.families or self._families
            headers += rate_headers(error.gauges, visit.offset_s + fate.skew_s, families)
        return HttpAnswer(error.status, headers, error.body(visit.request_id))

    def stream_headers(self, generation: Generation) -> list[Header]:
        """The headers of a stream, as of the moment when it begins."""
        order = generation.order
        return [_EVENTS, _NO_CACHE, *self._rates(generation), *self._common(order.visit, order.mishap)]

    def message(self, generation: Generation) -> HttpAnswer:
        """A whole message, with what a fault does to its body."""
        fate = generation.order.mishap
        data = orjson.dumps(message_json(generation, complete=True))
        headers = [_JSON, *self._rates(generation), *self._common(generation.order.visit, fate)]
        kind = fate.body.kind if fate.body is not None else ""
        if kind == "truncate":
            return HttpAnswer(200, headers, data[: len(data) // 2])
        if kind == "reset_mid_stream":
            length = (b"content-length", b"%d" % len(data))
            return HttpAnswer(200, [*headers, length], BrokenBody(data[: len(data) // 2]))
        if fate.gap_s > 0.0:
            return HttpAnswer(200, headers, SlowBody(data, fate.gap_s, self._clock))
        return HttpAnswer(200, headers, data)

    def _rates(self, generation: Generation) -> list[Header]:
        order = generation.order
        if order.mishap.families == _ALL_LOST:
            return []
        gauges = generation.gauges(self._clock.monotonic())
        offset_s = order.visit.offset_s + order.mishap.skew_s
        headers = rate_headers(gauges, offset_s, order.mishap.families or self._families)
        if order.mishap.stray_retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % order.mishap.stray_retry_after_s))
        return headers

    def _common(self, visit: Visit, fate: Mishap) -> list[Header]:
        sent_at_s = self._clock.monotonic() + visit.offset_s + fate.skew_s
        return [
            (b"date", http_date(whole_seconds(sent_at_s))),
            (b"request-id", visit.request_id.encode()),
            self._organization,
        ]
