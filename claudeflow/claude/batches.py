"""The one place that calls the Message Batches API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

import anthropic
import httpx2
import orjson
from anthropic._types import RequestOptions

from claudeflow.claude.batch_documents import MalformedBatch, is_plain_id, read_batch, read_page
from claudeflow.claude.batch_results import item_reply, read_items
from claudeflow.claude.batch_trouble import NO_BATCH_ID, trouble_of
from claudeflow.claude.client import KeyInUse, sdk_that_tries_once
from claudeflow.claude.failures import FAILURES
from claudeflow.claude.options import NO_KEY
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Reply
from claudeflow.domain.batch import BatchTrouble, ItemResult, RemoteBatch, ResultsBroken

BATCHES = "/v1/messages/batches"
TIMEOUT_S = 60.0
PAGE_SIZE = 100
_JSONL: RequestOptions = {"headers": {"accept": "application/binary"}}  # what the SDK asks for


class BatchClient:
    """Calls the Message Batches API. Failures are values (BatchTrouble). Build one per event loop."""

    def __init__(
        self, settings: ClaudeSettings, api_key: str | KeyInUse, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        """`api_key` is the key, or tells at each request which one is in use. `http_client` stands in for
        the network; without one, aiohttp carries the requests.
        """
        self._settings = settings
        self._key_in_use: KeyInUse = api_key if callable(api_key) else api_key.__str__
        self._url = settings.base_url.rstrip("/") + BATCHES
        self._sdk = sdk_that_tries_once(settings, self._key_in_use(), http_client)

    async def create(self, body: bytes) -> RemoteBatch | BatchTrouble:
        """Hand over a batch: `body` is the request's JSON, up to 256 MB. `attempt_timeout_s` bounds it."""
        try:
            return read_batch(await self._post(self._url, body, self._settings.attempt_timeout_s))
        except FAILURES as error:
            return trouble_of(error, self._settings, names_a_batch=False)

    async def retrieve(self, batch_id: str) -> RemoteBatch | BatchTrouble:
        """How far a batch is. The API may not know it yet in the first moments after its creation."""
        if not is_plain_id(batch_id):
            return NO_BATCH_ID
        try:
            return read_batch(await self._get(f"{self._url}/{batch_id}", {}))
        except FAILURES as error:
            return trouble_of(error, self._settings, names_a_batch=True)

    async def recent(self, since_ms: int) -> list[RemoteBatch] | BatchTrouble:
        """The workspace's batches that were created at `since_ms` (epoch) or later, newest first."""
        try:
            found = [batch async for batch in self._newest_first(since_ms)]
        except FAILURES as error:
            return trouble_of(error, self._settings, names_a_batch=False)
        return sorted(found, key=lambda batch: batch.created_ms, reverse=True)

    async def cancel(self, batch_id: str) -> RemoteBatch | BatchTrouble:
        """Ask the API to stop a batch. What it has begun may still be answered, and is billed then."""
        if not is_plain_id(batch_id):
            return NO_BATCH_ID
        try:
            return read_batch(await self._post(f"{self._url}/{batch_id}/cancel", None, TIMEOUT_S))
        except FAILURES as error:
            return trouble_of(error, self._settings, names_a_batch=True)

    async def results(self, batch_id: str, *, pass_over: bool = False) -> AsyncGenerator[ItemResult, None]:
        """The results of a batch that has ended, in no order, each as soon as its line is here.

        Raises ResultsBroken when they are refused or break off, or a line cannot be used: with `pass_over`
        such lines are left out. The API does not
        say in them how many there are: whether all came is for the caller to count. Close the iterator
        (`aclosing`) when leaving before its end.
        """
        if not is_plain_id(batch_id):
            raise ResultsBroken(NO_BATCH_ID)
        try:
            response = await self._open_results(f"{self._url}/{batch_id}/results")
            try:
                items = read_items(
                    response.aiter_bytes(), self._settings.content_timeout_s, pass_over=pass_over
                )
                async with aclosing(items):
                    async for item in items:
                        yield item
            finally:
                await response.aclose()
        except FAILURES as error:
            # Without its cause: that may quote the API's whole answer.
            raise ResultsBroken(trouble_of(error, self._settings, names_a_batch=True)) from None

    def reply_of(self, item: ItemResult, *, schema: Mapping[str, Any] | None, caches_for_1h: bool) -> Reply:
        """What one result means for its request, which asked for `schema` and perhaps the long cache TTL."""
        return item_reply(item, self._settings, schema=schema, caches_for_1h=caches_for_1h)

    async def aclose(self) -> None:
        """Close all connections. The client is of no use afterwards."""
        await self._sdk.close()

    async def _newest_first(self, since_ms: int) -> AsyncIterator[RemoteBatch]:
        """Page by page, up to the first that ends with an older batch."""
        seen: set[str] = set()
        asked = {"limit": str(PAGE_SIZE)}
        while True:
            page = read_page(await self._get(self._url, asked))
            for batch in page.batches:
                if batch.created_ms >= since_ms:
                    yield batch
            if page.next_after is None or (page.batches and page.batches[-1].created_ms < since_ms):
                return
            if page.next_after in seen:
                raise MalformedBatch("the list of batches goes round in circles")
            seen.add(page.next_after)
            asked = {**asked, "after_id": page.next_after}

    async def _get(self, url: str, query: Mapping[str, str]) -> Any:
        self._sdk.api_key = self._key_in_use()
        async with asyncio.timeout(TIMEOUT_S):
            response = await self._sdk.get(url, cast_to=httpx2.Response, options={"params": query})
        return orjson.loads(response.content)

    async def _post(self, url: str, body: bytes | None, deadline_s: float) -> Any:
        self._sdk.api_key = self._key_in_use()
        async with asyncio.timeout(deadline_s):
            response = await self._sdk.post(url, content=body, cast_to=httpx2.Response, options=NO_KEY)
        return orjson.loads(response.content)

    async def _open_results(self, url: str) -> httpx2.Response:
        self._sdk.api_key = self._key_in_use()
        async with asyncio.timeout(self._settings.content_timeout_s):
            # With this cast_to the SDK hands over the open response, whatever its types say.
            opened = await self._sdk.get(
                url,
                cast_to=httpx2.Response,
                options=_JSONL,
                stream=True,
                stream_cls=anthropic.AsyncStream[Any],
            )
        return cast("httpx2.Response", opened)
