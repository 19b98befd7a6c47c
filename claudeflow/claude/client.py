"""The one place that calls the Messages API.

The SDK sends and knows the errors; it does not retry (one place does, and it is not here), builds
no models of the answers (a third of a call's CPU) and does not read the streams (another half).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import anthropic
import httpx2
import orjson
from anthropic._types import RequestOptions

from claudeflow.claude.failures import FAILURES, StalledStream, TruncatedStream, plain_headers
from claudeflow.claude.options import call_options
from claudeflow.claude.reply import Progress, answered_reply, failed_reply
from claudeflow.claude.request import goes_streamed, wire_body
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.claude.sse import SseReader, WholeEvents
from claudeflow.claude.transport import AiohttpTransport
from claudeflow.domain.attempt import Onlooker, Rejected, Reply
from claudeflow.domain.job import JobError
from claudeflow.domain.prompt import Request

MESSAGES = "/v1/messages"

DRAIN_S = 1.0  # after message_stop only the end of the body is missing

OnStart = Callable[[], None]
KeyInUse = Callable[[], str]


class ClaudeClient:
    """Sends requests and turns whatever comes back into a Reply. Build one per event loop."""

    def __init__(
        self, settings: ClaudeSettings, api_key: str | KeyInUse, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        """`api_key` is the key, or tells at each call which one is in use. `http_client` stands in for
        the network; without one, aiohttp carries the calls.
        """
        self._settings = settings
        self._key_in_use: KeyInUse = api_key if callable(api_key) else api_key.__str__
        # A whole URL saves the SDK the merging of two, a tenth of a call's CPU.
        self._url = settings.base_url.rstrip("/") + MESSAGES
        self._sdk = sdk_that_tries_once(settings, self._key_in_use(), http_client)

    async def send(
        self, request: Request, *, on_start: OnStart | None = None, onlooker: Onlooker | None = None
    ) -> Reply:
        """Make one attempt. API failures are outcomes of the Reply; only cancellation is raised.

        `on_start` is called once, when the response begins: a cache prefix that the request wrote
        can be read from then on. With an `onlooker` the answer comes as a stream, which it sees.
        """
        settings = self._settings
        streamed = onlooker is not None or goes_streamed(request, settings.stream_above_max_tokens)
        try:
            body = wire_body(request, streamed)
        except TypeError as error:
            return Reply(Rejected(JobError("invalid_request", f"the body is no JSON: {error}")), sent=False)
        self._sdk.api_key = self._key_in_use()
        progress = Progress(started_s=asyncio.get_running_loop().time(), onlooker=onlooker)
        attempt = self._stream if streamed else self._plain
        options = call_options(request.dialect)
        deadline_s = settings.stream_timeout_s if streamed else settings.attempt_timeout_s
        try:
            async with asyncio.timeout(deadline_s):
                message, raw = await attempt(body, options, progress, on_start)
        except FAILURES as error:
            return failed_reply(error, progress, request, settings)
        return answered_reply(
            message,
            raw,
            progress,
            schema=request.schema,
            caches_for_1h=request.caches_for_1h,
            as_it_is=request.dialect is not None,
        )

    async def aclose(self) -> None:
        """Close all connections. The client is of no use afterwards."""
        await self._sdk.close()

    async def _plain(
        self, body: bytes, options: RequestOptions, progress: Progress, on_start: OnStart | None
    ) -> tuple[dict[str, Any], bytes]:
        response = await self._sdk.post(self._url, content=body, cast_to=httpx2.Response, options=options)
        _note(response, progress)
        _begin(progress, on_start)
        return _parsed(response)

    async def _stream(
        self, body: bytes, options: RequestOptions, progress: Progress, on_start: OnStart | None
    ) -> tuple[dict[str, Any], bytes]:
        # With this cast_to the SDK hands over the open response, whatever its types say.
        opened = await self._sdk.post(
            self._url,
            content=body,
            cast_to=httpx2.Response,
            options=options,
            stream=True,
            stream_cls=anthropic.AsyncStream[Any],
        )
        response = cast("httpx2.Response", opened)
        _note(response, progress)
        try:
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()  # something on the way does not stream
                _begin(progress, on_start)
                return _parsed(response)
            await self._read_events(response, progress, on_start)
        finally:
            await response.aclose()
        message = progress.assembly.result()
        return message, orjson.dumps(message)

    async def _read_events(
        self, response: httpx2.Response, progress: Progress, on_start: OnStart | None
    ) -> None:
        """Read events up to the end of the message, with a watchdog that pings do not calm."""
        assembly = progress.assembly
        try:
            async with asyncio.timeout(self._settings.content_timeout_s) as watchdog:
                reader, seen = SseReader(), WholeEvents()
                async for chunk in response.aiter_bytes():
                    advanced = _take(reader.feed(chunk), response, progress, on_start)
                    if progress.onlooker is not None:
                        progress.onlooker.passes(seen.feed(chunk))
                    if advanced:
                        watchdog.reschedule(asyncio.get_running_loop().time() + self._patience_s(progress))
        except (httpx2.HTTPError, TimeoutError) as error:
            if watchdog.expired() and not assembly.is_complete:
                raise StalledStream("nothing but pings arrived for too long") from error
            if not assembly.is_complete:
                raise
        if not assembly.is_complete:
            raise TruncatedStream("the stream ended before its message did")

    def _patience_s(self, progress: Progress) -> float:
        if progress.assembly.is_complete:
            return DRAIN_S
        if progress.assembly.is_thinking:
            return max(self._settings.attempt_timeout_s, self._settings.content_timeout_s)
        return self._settings.content_timeout_s


def _take(
    events: list[dict[str, Any]], response: httpx2.Response, progress: Progress, on_start: OnStart | None
) -> bool:
    """Add events to the message. True when any of them carried content."""
    advanced = False
    for event in events:
        if event.get("type") == "error":
            raise anthropic.APIStatusError("error event", response=response, body=event)
        advanced |= progress.assembly.add(event)
        if advanced and progress.first_byte_s is None:
            _begin(progress, on_start)
    return advanced


def _note(response: httpx2.Response, progress: Progress) -> None:
    progress.headers = plain_headers(response.headers)
    progress.http_status = response.status_code
    if progress.onlooker is not None:
        progress.onlooker.begins(progress.headers)


def _begin(progress: Progress, on_start: OnStart | None) -> None:
    progress.first_byte_s = asyncio.get_running_loop().time() - progress.started_s
    if on_start is not None:
        on_start()


def _parsed(response: httpx2.Response) -> tuple[dict[str, Any], bytes]:
    """The message of a plain answer. Raises what `failures` knows when it is something else."""
    raw = response.content
    message = orjson.loads(raw)
    if isinstance(message, dict) and message.get("type") == "message":
        return message, raw
    raise anthropic.APIStatusError("no message", response=response, body=message)


def sdk_that_tries_once(
    settings: ClaudeSettings, api_key: str, http_client: httpx2.AsyncClient | None
) -> anthropic.AsyncAnthropic:
    """The SDK without retries and deadlines of its own; `http_client` stands in for the network."""
    # At DEBUG the SDK logs whole requests; no setting of the environment may switch that on.
    logging.getLogger("anthropic").setLevel(logging.WARNING)
    return anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=settings.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=settings.connect_timeout_s),
        # Unzipping costs more than loopback and LAN bytes do, and per chunk in a stream.
        default_headers={"anthropic-version": settings.api_version, "accept-encoding": "identity"},
        http_client=http_client or network(settings),
        open_telemetry=False,
    )


def network(settings: ClaudeSettings) -> httpx2.AsyncClient:
    """What carries the calls."""
    return httpx2.AsyncClient(transport=AiohttpTransport(settings), timeout=None, trust_env=False)
