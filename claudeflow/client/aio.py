"""AsyncClaudeflow: the client for asyncio."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from claudeflow.client import http
from claudeflow.client.aio_driver import AsyncDriver
from claudeflow.client.blocking import IN_FLIGHT, PATIENCE_S
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


@dataclass(frozen=True, slots=True)
class AsyncJobHandle:
    """A job that was submitted. `created` is False when its `dedupe_key` named an existing one."""

    id: int
    created: bool
    client: AsyncClaudeflow = field(repr=False)

    async def wait(self, timeout_s: float | None = None) -> Job:
        """The job once it will not move by itself. Raises WaitTimedOut."""
        return await self.client.wait(self.id, timeout_s)

    async def result(self, timeout_s: float | None = None) -> Message:
        """The answer, once it is there. Raises JobFailed, AnswerGone, WaitTimedOut."""
        return await self.client.result(self.id, timeout_s)

    async def text(self, timeout_s: float | None = None) -> str:
        """The text of the answer. Raises as `result`."""
        return (await self.result(timeout_s)).text

    async def job(self) -> Job:
        """The job as it stands."""
        return await self.client.job(self.id)

    async def cancel(self) -> Job:
        """Stop it. Raises Conflict when it has ended."""
        return await self.client.cancel(self.id)


class AsyncClaudeflow:
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
        self._http: httpx2.AsyncClient | None = None

    async def submit(
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
    ) -> AsyncJobHandle:
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
        job_id, created = await self._run(self._session.submit(fields))
        return AsyncJobHandle(job_id, created, self)

    def map(
        self,
        jobs: Iterable[JobFields] | AsyncIterable[JobFields],
        *,
        in_flight: int = IN_FLIGHT,
        ordered: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> AsyncIterator[Mapped]:
        """Ask for every job of `jobs` and give each result as it ends, or with `ordered` in their order.

        At most `in_flight` are taken and not given back, so any number fits into memory. A job that fails
        or is refused is a result with its `error`. With `dedupe_key`s a run that was broken off can begin
        anew: what is answered already costs nothing. Raises DaemonUnavailable, NotPermitted.
        """
        window = Window(in_flight, ordered=ordered, progress=progress)
        return self._iterate(Mapper(self._session, window).run(), _async(jobs))

    async def wait(self, job: int | Job | AsyncJobHandle, timeout_s: float | None = None) -> Job:
        """The job once it will not move by itself: final, or held. Raises WaitTimedOut, NotFound."""
        return await self._run(self._session.wait(id_of(job), timeout_s))

    async def result(self, job: int | Job | AsyncJobHandle, timeout_s: float | None = None) -> Message:
        """The answer, once it is there. Raises JobFailed, AnswerGone, WaitTimedOut, NotFound."""
        return await self._run(self._session.result(id_of(job), timeout_s))

    async def job(self, job: int | Job | AsyncJobHandle) -> Job:
        """The job as it stands. Raises NotFound."""
        return (await self._run(self._session.look(id_of(job), result=False)))[0]

    async def cancel(self, job: int | Job | AsyncJobHandle) -> Job:
        """Stop a job that has not ended. Raises NotFound, Conflict."""
        return await self._run(self._session.act(id_of(job), "cancel"))

    async def retry(self, job: int | Job | AsyncJobHandle) -> Job:
        """Queue a job again that did not succeed. Raises NotFound, Conflict."""
        return await self._run(self._session.act(id_of(job), "retry"))

    def jobs(
        self,
        *,
        state: JobState | None = None,
        lane: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Job]:
        """Jobs that match, newest first, fetched page by page; all of them without a `limit`."""
        return self._iterate(self._session.jobs(limit, state=state, lane=lane, workflow=workflow))

    def events(
        self,
        types: str | Iterable[str] = (),
        *,
        job: int | Job | AsyncJobHandle | None = None,
        lane: str | None = None,
        workflow: str | None = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[Event]:
        """What happens from now on, or after an event; without end. A `gap` says that some were missed.

        It listens from the first step of the iteration on; lost connections are taken up again.
        Raises InvalidRequest, NotPermitted, DaemonUnavailable.
        """
        query = event_query(types, job, lane, workflow)
        return _begun(self._iterate(follow(Feed(self._session, query, last_event_id))))

    async def status(self) -> dict[str, Any]:
        """Lanes, pools, holds and spend, as `GET /v1/status` answers."""
        found: dict[str, Any] = await self._run(self._session.get("/v1/status"))
        return found

    async def aclose(self) -> None:
        """Close all connections. Requests after that open new ones."""
        client, self._http = self._http, None
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = http.an_async_client(self._session.place)
        return self._http

    async def _run(self, flow: Flow[T]) -> T:
        """Carry out a flow that gives nothing but its end."""
        driver = AsyncDriver(self._client, _async(()))
        try:
            step = next(flow)
            while True:
                try:
                    found = await driver.carry_out(step)
                except Broken as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(found)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _iterate(
        self, flow: Flow[None], source: AsyncIterator[Any] | None = None
    ) -> AsyncGenerator[Any]:
        """Carry out a flow and give what it gives."""
        driver = AsyncDriver(self._client, source or _async(()))
        found: Any = None
        trouble: Broken | None = None
        try:
            while True:
                try:
                    step = flow.throw(trouble) if trouble else flow.send(found)
                except StopIteration:
                    return
                found = trouble = None
                if isinstance(step, Give):
                    yield step.value
                    continue
                try:
                    found = await driver.carry_out(step)
                except Broken as error:
                    trouble = error
        finally:
            flow.close()
            await driver.shut()


async def _async(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    """The items, whichever way they come."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _begun(told: AsyncGenerator[Any]) -> AsyncIterator[Event]:
    """The events without the sign that the stream is open."""
    async with aclosing(told):
        await anext(told)
        async for event in told:
            yield event
