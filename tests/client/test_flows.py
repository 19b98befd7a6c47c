"""The logic of the client without a daemon: flows, and a script that carries their steps out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from claudeflow.client.errors import (
    AnswerGone,
    DaemonTrouble,
    DaemonUnavailable,
    JobFailed,
    NotPermitted,
    RequestRefused,
    TryLater,
)
from claudeflow.client.mapping import Mapper
from claudeflow.client.places import Place
from claudeflow.client.session import Session
from claudeflow.client.steps import Answer, Ask, Broken, Flow, Give, Open, Pull, Read, Shut, Sleep, Step
from claudeflow.client.values import Mapped
from claudeflow.client.window import Window

RECORD: dict[str, Any] = {
    "lane": "bulk",
    "workflow": "triage",
    "model": "claude-haiku-5-5",
    "priority": 0,
    "submitted_at": "2026-11-22T09:00:00Z",
    "not_before": None,
    "deadline": None,
    "started_at": None,
    "finished_at": None,
    "attempts": 1,
    "tries": 1,
    "crash_count": 0,
    "wait_reason": None,
    "stop_reason": None,
    "error": None,
    "cost_nanousd": 5,
    "batched": False,
    "dedupe_key": None,
    "metadata": {},
    "submitted_by": "alice",
}
MESSAGE = {"type": "message", "content": [{"type": "text", "text": "hello"}]}


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(
        status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(content).encode()
    )


def refusal(status: int, code: str, **headers: str) -> Answer:
    return answer({"code": code, "status": status, "detail": f"{code} it is"}, status, **headers)


def a_record(job_id: int, state: str = "succeeded", **changes: Any) -> dict[str, Any]:
    result = {"result": MESSAGE} if state == "succeeded" else {}
    return {**RECORD, "id": job_id, "state": state, **result, **changes}


def a_session(patience_s: float = 60.0, *, was_reached: bool = True) -> Session:
    session = Session(Place("http://claudeflow"), patience_s, {})
    session.was_reached = was_reached
    return session


def run(flow: Flow[Any], *script: Answer | Broken) -> tuple[Any, list[Step]]:
    """What a flow of single questions comes to, and its steps. Each question gets the next answer."""
    steps: list[Step] = []
    answers = iter(script)
    try:
        step = next(flow)
        while True:
            steps.append(step)
            found = None if isinstance(step, Sleep) else next(answers)
            step = flow.throw(found) if isinstance(found, Broken) else flow.send(found)
    except StopIteration as end:
        return end.value, steps


@pytest.mark.parametrize(
    ("status", "code", "headers", "kind"),
    [
        (401, "unauthenticated", {}, NotPermitted),
        (403, "forbidden", {}, NotPermitted),
        (503, "lane_full", {"retry_after": "7"}, TryLater),
        (429, "too_many_jobs", {"retry_after": "7"}, TryLater),
        (500, "internal_error", {}, DaemonTrouble),
        (503, "not_ready", {}, DaemonTrouble),
    ],
)
def test_every_refusal_has_its_exception(
    status: int, code: str, headers: dict[str, str], kind: type[RequestRefused]
) -> None:
    with pytest.raises(kind) as refused:
        run(a_session().submit({}), refusal(status, code, **headers))
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.retry_after_s == (7.0 if headers else None)
    assert str(refused.value).startswith(f"{code} it is")


@pytest.mark.parametrize(
    "strange", [Answer(200, {}, b"<html>"), Answer(502, {}, b"<html>"), answer([1], 500)]
)
def test_what_is_no_answer_of_claudeflow_is_refused(strange: Answer) -> None:
    with pytest.raises(RequestRefused):
        run(a_session().get("/v1/status"), strange)


def test_a_held_job_and_a_lost_answer_have_their_exceptions() -> None:
    held = a_record(7, "held", error={"type": "poison", "message": "it crashed three daemons"})
    with pytest.raises(
        JobFailed, match="job 7 held: it crashed three daemons; release it: claudeflow retry 7"
    ):
        run(a_session().result(7, None), answer(held), answer(held))
    gone = a_record(7) | {"result": None}
    with pytest.raises(AnswerGone, match="job 7 is no longer kept"):
        run(a_session().result(7, None), answer(gone), answer(gone))


def test_a_question_without_an_answer_is_asked_again_as_it_was() -> None:
    flow = a_session().submit({"prompt": "triage"})
    stored, steps = run(
        flow,
        Broken("gone"),
        Broken("gone"),
        refusal(409, "idempotency_key_in_use"),
        answer({"id": 3, "created": True}),
    )
    assert stored == (3, True)
    asked = [step for step in steps if isinstance(step, Ask)]
    assert len(asked) == 4
    assert all(one is asked[0] for one in asked)
    assert len(asked[0].headers["idempotency-key"]) == 32
    assert [step.seconds for step in steps if isinstance(step, Sleep)] == [0.1, 0.2, 0.4]


def test_two_submissions_have_keys_of_their_own() -> None:
    asked = [run(a_session().submit({}), answer({"id": 1, "created": True}))[1][0] for _ in range(2)]
    keys = {step.headers["idempotency-key"] for step in asked if isinstance(step, Ask)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("session", "broken"),
    [
        (a_session(was_reached=False), Broken("No such file")),
        (a_session(patience_s=0.0), Broken("No such file")),
        (a_session(), Broken("Permission denied", is_permitted=False)),
    ],
)
def test_it_is_not_asked_again_where_that_makes_no_sense(session: Session, broken: Broken) -> None:
    with pytest.raises(DaemonUnavailable, match=f"no daemon at http://claudeflow \\({broken.why}\\)"):
        run(session.get("/v1/status"), broken)


@dataclass
class Office:
    """A daemon in a few lines: its jobs end at once, and are told of one by one.

    `refuse` may answer a submission instead. Without `tells` nobody may read its events.
    """

    tells: bool = True
    refuse: Callable[[list[bytes]], Answer | None] = lambda _: None
    jobs: int = 0
    told: int = 0
    most_lines: int = 0
    submissions: list[int] = field(default_factory=list)
    opened: int = 0
    gap_at: int | None = None

    def carry_out(self, step: Step, source: Iterator[Any]) -> Any:
        match step:
            case Pull():
                return next(source, None)
            case Open():
                self.opened += 1
                return answer({}) if self.tells else refusal(403, "forbidden")
            case Read():
                return self._news()
            case Ask("POST"):
                return self._store((step.body or b"").splitlines())
            case Ask():
                return answer(a_record(int(step.path.rsplit("/", 1)[1])))
            case Sleep() | Shut():
                return None
            case _:
                raise AssertionError(step)

    def _store(self, lines: list[bytes]) -> Answer:
        refused = self.refuse(lines)
        if refused is not None:
            return refused
        ids = list(range(self.jobs + 1, self.jobs + len(lines) + 1))
        self.jobs += len(lines)
        self.submissions.append(len(lines))
        return answer({"ids": ids, "existing": 0}, 201)

    def _news(self) -> bytes:
        if self.gap_at == self.told:
            self.gap_at, self.told = None, self.jobs
            return b'id: f00d-1\nevent: gap\ndata: {"at":"","event":"gap","missed":null}\n\n'
        if self.told == self.jobs:
            return b": still here\n\n"
        self.told += 1
        data = json.dumps({"at": "", "job_id": self.told})
        return f"id: f00d-{self.told}\nevent: job_finished\ndata: {data}\n\n".encode()


def mapped(office: Office, items: Iterator[Any], window: Window) -> Iterator[Mapped]:
    """What a map over the office gives."""
    flow = Mapper(a_session(), window).run()
    found: Any = None
    while True:
        try:
            step = flow.send(found)
        except StopIteration:
            return
        found = None
        if isinstance(step, Give):
            yield step.value
        else:
            found = office.carry_out(step, items)


def items(count: int) -> Iterator[Mapping[str, Any]]:
    return ({"prompt": "triage", "input": {"ticket": str(number)}} for number in range(count))


@pytest.mark.parametrize("ordered", [False, True])
def test_ten_thousand_jobs_need_no_more_room_than_the_window(ordered: bool) -> None:
    taken = given = most = 0

    def source() -> Iterator[Mapping[str, Any]]:
        nonlocal taken, most
        for one in items(10_000):
            taken += 1
            most = max(most, taken - given)
            yield one

    office, window = Office(), Window(130, ordered=ordered, progress=None)
    seen = set()
    for result in mapped(office, source(), window):
        given += 1
        seen.add(result.index)
        assert result.text == "hello"
    assert (len(seen), office.jobs, taken) == (10_000, 10_000, 10_000)
    assert most <= 130
    assert max(office.submissions) == 100
    assert window.holds == 0


def test_who_may_not_read_events_looks_at_jobs() -> None:
    office = Office(tells=False)
    results = list(mapped(office, items(300), Window(50, ordered=False, progress=None)))
    assert sorted(result.index for result in results) == list(range(300))
    assert office.told == 0


def test_after_a_gap_every_job_under_way_is_looked_at() -> None:
    office = Office(gap_at=3)
    results = list(mapped(office, items(20), Window(50, ordered=True, progress=None)))
    assert [result.index for result in results] == list(range(20))
    assert office.told == office.jobs == 20


def test_a_full_lane_gets_less_and_less_at_once_and_loses_nothing() -> None:
    sizes: list[int] = []

    def refuse(lines: list[bytes]) -> Answer | None:
        sizes.append(len(lines))
        return refusal(503, "lane_full", retry_after="30") if len(lines) > 10 else None

    office = Office(refuse=refuse)
    results = list(mapped(office, items(100), Window(100, ordered=False, progress=None)))
    assert sorted(result.index for result in results) == list(range(100))
    assert sizes[:5] == [100, 50, 25, 12, 6]
    assert sum(office.submissions) == 100


def test_what_nobody_is_to_blame_for_ends_the_map() -> None:
    office = Office(refuse=lambda _: refusal(403, "forbidden"))
    with pytest.raises(NotPermitted):
        list(mapped(office, items(3), Window(50, ordered=False, progress=None)))


def test_a_refusal_without_lines_is_narrowed_down_to_who_is_to_blame() -> None:
    def refuse(lines: list[bytes]) -> Answer | None:
        return refusal(413, "body_too_large") if any(b'"7"' in line for line in lines) else None

    results = list(mapped(Office(refuse=refuse), items(16), Window(50, ordered=True, progress=None)))
    assert [result.index for result in results if not result.ok] == [7]
