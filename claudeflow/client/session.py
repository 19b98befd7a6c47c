"""Session: asking one daemon, with patience once it has been reached, and the flows of single jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from claudeflow.client.errors import DaemonUnavailable, WaitTimedOut
from claudeflow.client.places import Place
from claudeflow.client.steps import Answer, Ask, Broken, Flow, Give, Sleep
from claudeflow.client.values import Job, Message
from claudeflow.client.wire import encoded, job_and_answer, parsed, post, refused, without_answer

POLL_S = 30.0
"""How long one question may hang; the daemon answers as soon as the job is settled."""

PAGE = 500
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_BEING_DONE = "idempotency_key_in_use"


class Session:
    """What the flows of one client share.

    A daemon that has never been reached is told of at once; one that is away later may be restarting,
    and gets `patience_s` to come back.
    """

    def __init__(self, place: Place, patience_s: float, defaults: Mapping[str, Any]) -> None:
        self.place = place
        self.patience_s = patience_s
        self.defaults = defaults
        self.was_reached = False

    def ask(self, question: Ask) -> Flow[Answer]:
        """The daemon's answer, be it a refusal. Raises DaemonUnavailable."""
        pauses = self.pauses()
        while True:
            try:
                answer: Answer = yield question
            except Broken as broken:
                yield Sleep(self.pause(pauses, broken))
                continue
            self.was_reached = True
            if answer.status == 409 and refused(answer).code == _BEING_DONE:
                yield Sleep(next(pauses, _LONGEST_PAUSE_S))
                continue
            return answer

    def pauses(self) -> Iterator[float]:
        """How long to pause before each further try, until patience is over: it begins with the first."""
        pause_s, until = _FIRST_PAUSE_S, time.monotonic() + self.patience_s
        while time.monotonic() < until:
            yield pause_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def pause(self, pauses: Iterator[float], broken: Broken) -> float:
        """How long to pause. Raises DaemonUnavailable when it makes no sense to try again."""
        pause_s = next(pauses, None) if self.was_reached and broken.is_permitted else None
        if pause_s is None:
            way_out = self.place.way_out(is_permitted=broken.is_permitted)
            raise DaemonUnavailable(str(self.place), broken.why, way_out) from broken
        return pause_s

    def get(self, path: str, **query: str | None) -> Flow[Any]:
        """What the daemon says. Raises RequestRefused, DaemonUnavailable."""
        return parsed((yield from self.ask(Ask("GET", path, query=_given(query)))))

    def submit(self, fields: Mapping[str, Any]) -> Flow[tuple[int, bool]]:
        """The id of the job, and whether it is new. Raises RequestRefused."""
        body = encoded({**self.defaults, **_given(fields)})
        stored = parsed((yield from self.ask(post("/v1/jobs", body))))
        return stored["id"], stored["created"]

    def look(self, job_id: int, *, result: bool, wait_s: float = 0.0) -> Flow[tuple[Job, Message | None]]:
        """The job, and its answer if that is wanted and there. Raises NotFound."""
        query = {"result": "true" if result else "false"}
        if wait_s > 0:
            query["wait"] = f"{wait_s:.3f}"
        question = Ask("GET", f"/v1/jobs/{job_id}", query=query)
        return job_and_answer(parsed((yield from self.ask(question))))

    def wait(self, job_id: int, timeout_s: float | None) -> Flow[Job]:
        """The job once it will not move by itself. Raises WaitTimedOut, NotFound."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = POLL_S if until is None else min(POLL_S, until - time.monotonic())
            job, _ = yield from self.look(job_id, result=False, wait_s=left_s)
            if job.is_settled:
                return job
            if until is not None and time.monotonic() >= until:
                raise WaitTimedOut(job)

    def result(self, job_id: int, timeout_s: float | None) -> Flow[Message]:
        """The answer, once it is there. Raises JobFailed, AnswerGone, WaitTimedOut, NotFound."""
        yield from self.wait(job_id, timeout_s)
        job, message = yield from self.look(job_id, result=True)
        if message is None:
            raise without_answer(job)
        return message

    def act(self, job_id: int, action: str) -> Flow[Job]:
        """Cancel a job or retry it. Raises NotFound, Conflict."""
        answer = yield from self.ask(post(f"/v1/jobs/{job_id}/{action}"))
        return Job.from_json(parsed(answer))

    def jobs(self, limit: int | None, **which: str | None) -> Flow[None]:
        """Gives the jobs that match, newest first, page by page."""
        before: int | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            paging = {"limit": str(size), "before": None if before is None else str(before)}
            page = yield from self.get("/v1/jobs", **which, **paging)
            for record in page["jobs"]:
                yield Give(Job.from_json(record))
            left = None if left is None else left - len(page["jobs"])
            before = page["next"]
            if before is None:
                return


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
