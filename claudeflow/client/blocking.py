"""Claudeflow: the blocking client. One may serve many threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from claudeflow.client import http
from claudeflow.client.driver import Driver
from claudeflow.client.feed import Feed, follow
from claudeflow.client.mapping import Mapper
from claudeflow.client.places import find_place
from claudeflow.client.session import Session
from claudeflow.client.steps import Broken, Flow, Give
from claudeflow.client.values import Event, Job, JobFields, JobState, Mapped, Message, Moment, Progress
from claudeflow.client.window import Window
from claudeflow.client.words import event_query, id_of, job_fields

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

PATIENCE_S = 60.0
IN_FLIGHT = 1_000


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job that was submitted. `created` is False when its `dedupe_key` named an existing one."""

    id: int
    created: bool
    client: Claudeflow = field(repr=False)

    def wait(self, timeout_s: float | None = None) -> Job:
        """The job once it will not move by itself. Raises WaitTimedOut."""
        return self.client.wait(self.id, timeout_s)

    def result(self, timeout_s: float | None = None) -> Message:
        """The answer, once it is there. Raises JobFailed, AnswerGone, WaitTimedOut."""
        return self.client.result(self.id, timeout_s)

    def text(self, timeout_s: float | None = None) -> str:
        """The text of the answer. Raises as `result`."""
        return self.result(timeout_s).text

    def job(self) -> Job:
        """The job as it stands."""
        return self.client.job(self.id)

    def cancel(self) -> Job:
        """Stop it. Raises Conflict when it has ended."""
        return self.client.cancel(self.id)


class Claudeflow:
    """Asks a daemon for jobs and their answers. Close it, or use it as a context manager."""

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        base_url: str | None = None,
        token: str | None = None,
        lane: str | None = None,
        workflow: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`lane` and `workflow` are for jobs that name none. Without a place the environment says where.

        A daemon that has been reached and is away gets `patience_s` to come back. Raises ValueError.
        """
        place = find_place(socket, base_url, token)
        self._session = Session(place, patience_s, job_fields(lane=lane, workflow=workflow))
        self._lock = threading.Lock()
        self._http: httpx2.Client | None = None

    def submit(
        self,
        *,
        request: Mapping[str, Any] | None = None,
        prompt: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 (the field's name)
        lane: str | None = None,
        workflow: str | None = None,
        priority: int | None = None,
        not_before: Moment | None = None,
        deadline: Moment | None = None,
        dedupe_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        traceparent: str | None = None,
    ) -> JobHandle:
        """Ask for a job: a `request` (a Messages body), or a `prompt` with its `input`. It is on disk then.

        Raises InvalidRequest, TryLater, NotPermitted, DaemonUnavailable.
        """
        fields = job_fields(
            request=request,
            prompt=prompt,
            input=input,
            lane=lane,
            workflow=workflow,
            priority=priority,
            not_before=not_before,
            deadline=deadline,
            dedupe_key=dedupe_key,
            metadata=metadata,
            traceparent=traceparent,
        )
        job_id, created = self._run(self._session.submit(fields))
        return JobHandle(job_id, created, self)

    def map(
        self,
        jobs: Iterable[JobFields],
        *,
        in_flight: int = IN_FLIGHT,
        ordered: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[Mapped]:
        """Ask for every job of `jobs` and give each result as it ends, or with `ordered` in their order.

        At most `in_flight` are taken and not given back, so any number fits into memory. A job that fails
        or is refused is a result with its `error`. With `dedupe_key`s a run that was broken off can begin
        anew: what is answered already costs nothing. Raises DaemonUnavailable, NotPermitted.
        """
        window = Window(in_flight, ordered=ordered, progress=progress)
        return self._iterate(Mapper(self._session, window).run(), iter(jobs))

    def wait(self, job: int | Job | JobHandle, timeout_s: float | None = None) -> Job:
        """The job once it will not move by itself: final, or held. Raises WaitTimedOut, NotFound."""
        return self._run(self._session.wait(id_of(job), timeout_s))

    def result(self, job: int | Job | JobHandle, timeout_s: float | None = None) -> Message:
        """The answer, once it is there. Raises JobFailed, AnswerGone, WaitTimedOut, NotFound."""
        return self._run(self._session.result(id_of(job), timeout_s))

    def job(self, job: int | Job | JobHandle) -> Job:
        """The job as it stands. Raises NotFound."""
        return self._run(self._session.look(id_of(job), result=False))[0]

    def cancel(self, job: int | Job | JobHandle) -> Job:
        """Stop a job that has not ended. Raises NotFound, Conflict."""
        return self._run(self._session.act(id_of(job), "cancel"))

    def retry(self, job: int | Job | JobHandle) -> Job:
        """Queue a job again that did not succeed. Raises NotFound, Conflict."""
        return self._run(self._session.act(id_of(job), "retry"))

    def jobs(
        self,
        *,
        state: JobState | None = None,
        lane: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Jobs that match, newest first, fetched page by page; all of them without a `limit`."""
        return self._iterate(self._session.jobs(limit, state=state, lane=lane, workflow=workflow))

    def events(
        self,
        types: str | Iterable[str] = (),
        *,
        job: int | Job | JobHandle | None = None,
        lane: str | None = None,
        workflow: str | None = None,
        last_event_id: str | None = None,
    ) -> Iterator[Event]:
        """What happens from now on, or after an event; without end. A `gap` says that some were missed.

        It listens as soon as this returns; lost connections are taken up again.
        Raises InvalidRequest, NotPermitted, DaemonUnavailable.
        """
        query = event_query(types, job, lane, workflow)
        told = self._iterate(follow(Feed(self._session, query, last_event_id)))
        next(told)
        return told

    def status(self) -> dict[str, Any]:
        """Lanes, pools, holds and spend, as `GET /v1/status` answers."""
        found: dict[str, Any] = self._run(self._session.get("/v1/status"))
        return found

    def close(self) -> None:
        """Close all connections. Requests after that open new ones."""
        with self._lock:
            client, self._http = self._http, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _client(self) -> httpx2.Client:
        with self._lock:
            if self._http is None:
                self._http = http.a_client(self._session.place)
            return self._http

    def _run(self, flow: Flow[T]) -> T:
        """Carry out a flow that gives nothing but its end."""
        driver = Driver(self._client, iter(()))
        try:
            step = next(flow)
            while True:
                try:
                    found = driver.carry_out(step)
                except Broken as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(found)
        except StopIteration as end:
            value: T = end.value
            return value

    def _iterate(self, flow: Flow[None], source: Iterator[Any] = iter(())) -> Iterator[Any]:  # noqa: B008
        """Carry out a flow and give what it gives."""
        driver = Driver(self._client, source)
        found: Any = None
        trouble: Broken | None = None
        try:
            while True:
                step = flow.throw(trouble) if trouble else flow.send(found)
                found = trouble = None
                if isinstance(step, Give):
                    yield step.value
                    continue
                try:
                    found = driver.carry_out(step)
                except Broken as error:
                    trouble = error
        except StopIteration:
            return
        finally:
            flow.close()
            driver.shut()
