"""Whatever a body says, the answer is one that the OpenAPI document knows, and never `internal_error`.

Each body is a right one with parts exchanged, dropped or torn: most of the checks are reached that way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.peers import own_process
from claudeflow.intake.http.inprocess import call
from tests.intake.builders import NOW_MS, a_catalog, a_job
from tests.support.fake_desk import FakeDesk
from tests.support.truth import Truth

SOME_BODIES = 1_000
MANY_BODIES = 100_000

REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 500,
    "system": [
        {"type": "text", "text": "You sort tickets.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "The VPN is down."}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "sort", "input": {"n": 1}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ],
    "tools": [{"name": "sort", "input_schema": {"type": "object"}, "max_uses": 3}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
}
JOB = a_job(
    request=REQUEST,
    lane="bulk",
    workflow="ticket-triage",
    priority=3,
    not_before="+1h",
    deadline="2026-11-23T09:00:00Z",
    dedupe_key="ticket-1",
    metadata={"team": "ops"},
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
PROMPT_JOB = {"prompt": "triage", "input": {"ticket": "The VPN is down."}, "lane": "interactive"}
JSON = "application/json"
NDJSON = "application/x-ndjson"
DOORS: list[tuple[str, str, str, Any]] = [
    ("POST", "/v1/jobs", JSON, JOB),
    ("POST", "/v1/jobs", JSON, PROMPT_JOB),
    ("POST", "/v1/jobs", NDJSON, JOB),
    ("POST", "/v1/messages", JSON, {**REQUEST, "stream": True}),
    ("POST", "/v1/messages", JSON, {**REQUEST, "stream": False}),
    ("POST", "/v1/messages/count_tokens", JSON, {name: REQUEST[name] for name in ("model", "messages")}),
    ("PATCH", "/v1/jobs/1", JSON, {"lane": "bulk", "priority": 7}),
    ("POST", "/v1/holds", JSON, {"scope": "lane:bulk", "reason": "quarter end", "until": "+2h"}),
    ("PUT", "/v1/budgets/team", JSON, {"limit_usd": 600, "reason": "quarter end", "until_reset": False}),
    ("POST", "/v1/budgets/team/release", JSON, {"reason": "quarter end"}),
    ("POST", "/v1/batches/8/cancel", JSON, {"jobs": True}),
]

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 2**63, 2**64, 1e308, "", " ", "\x00", "\ud800", "a" * 300, [], {}, [[]], {"": None}]
)
VALUES = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the parts of a JSON value are."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def changed(value: Any, path: tuple[Any, ...], how: str, key: str, new: Any) -> Any:
    """A copy of the value with its part at the path exchanged, dropped, or given another key."""
    copy = {"": json.loads(json.dumps(value))}
    holder: Any = copy
    for step in ("", *path)[:-1]:
        holder = holder[step]
    last = ("", *path)[-1]
    if how == "drop" and path:
        del holder[last]
    elif how == "add" and isinstance(holder[last], dict):
        holder[last][key] = new
    else:
        holder[last] = new
    return copy[""]


@st.composite
def strange(draw: st.DrawFn, right: Any) -> bytes:
    """The right body with up to three changes, as text that may be torn or spoilt."""
    value = right
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(value))))
        how = draw(st.sampled_from(["set", "drop", "add"]))
        value = changed(value, path, how, draw(st.text(max_size=8)), draw(VALUES))
    text = json.dumps(value).encode()
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.binary(max_size=4)) + text[cut + draw(st.integers(0, 4)) :]
    return text


@dataclass(slots=True)
class Doors:
    """The application and a loop to call it in, without a socket between."""

    loop: asyncio.AbstractEventLoop
    truth: Truth
    troubles: list[Exception]

    def knock(self, method: str, path: str, media: str, body: bytes) -> None:
        """Send a body. Raises AssertionError unless the answer is a documented one, and not our fault."""
        answer = call(self.truth, method, path, query={}, body=body, content_type=media, caller=own_process())
        status, _, _ = self.loop.run_until_complete(answer)
        lies, self.truth.lies[:] = self.truth.lies[:], []
        troubles, self.troubles[:] = self.troubles[:], []
        if troubles:
            raise AssertionError("our own fault") from troubles[0]
        assert (lies, status != 500) == ([], True)


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    loop, troubles = asyncio.new_event_loop(), list[Exception]()
    desk = FakeDesk(a_catalog(), now_ms=NOW_MS, max_queued=200)
    yield Doors(loop, Truth(build_app(desk, lambda: NOW_MS, troubles.append)), troubles)
    loop.close()


BODIES = st.sampled_from(DOORS).flatmap(lambda door: st.tuples(st.just(door[:3]), strange(door[3])))
IN_ONE_WORLD = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def a_job_with(**request: Any) -> tuple[tuple[str, str, str], bytes]:
    """A job with these in its request, and where to send it."""
    return ("POST", "/v1/jobs", JSON), json.dumps(a_job(request={**REQUEST, **request})).encode()


NO_TYPE: list[Any] = [{"type": [], "text": "x"}, {"type": {}, "source": {"type": [], "data": "x"}}]


@given(sent=BODIES)
@example(sent=a_job_with(system=NO_TYPE))
@example(sent=a_job_with(messages=[{"role": "user", "content": NO_TYPE}]))
@example(sent=a_job_with(tools=[{"type": [], "name": "x"}], tool_choice={"type": []}))
@settings(max_examples=SOME_BODIES, deadline=None, suppress_health_check=IN_ONE_WORLD)
def test_some_strange_bodies(doors: Doors, sent: tuple[tuple[str, str, str], bytes]) -> None:
    (method, path, media), body = sent
    doors.knock(method, path, media, body)


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
@given(sent=BODIES)
@settings(max_examples=MANY_BODIES, deadline=None, suppress_health_check=IN_ONE_WORLD)
def test_very_many_strange_bodies(doors: Doors, sent: tuple[tuple[str, str, str], bytes]) -> None:
    (method, path, media), body = sent
    doors.knock(method, path, media, body)


@pytest.mark.parametrize(("method", "path", "media", "right"), DOORS)
def test_the_bodies_that_are_changed_are_right(
    doors: Doors, method: str, path: str, media: str, right: Any
) -> None:
    sent = json.dumps(right).encode()
    answer = call(doors.truth, method, path, query={}, body=sent, content_type=media, caller=own_process())
    status, _, body = doors.loop.run_until_complete(answer)
    assert status in (200, 201, 404, 409, 503), body
