"""Asks the API what costs nothing: how many tokens a request counts, and which models there are."""

from __future__ import annotations

import asyncio

import anthropic
import httpx2

from claudeflow.claude.client import KeyInUse, sdk_that_tries_once
from claudeflow.claude.failures import FAILURES, classify, plain_headers
from claudeflow.claude.options import call_options
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.enquiry import Answer, Enquiry
from claudeflow.domain.job import JobError

TIMEOUT_S = 60.0


class EnquiryClient:
    """Hands enquiries on. Build one per event loop."""

    def __init__(
        self, settings: ClaudeSettings, api_key: str | KeyInUse, http_client: httpx2.AsyncClient | None = None
    ) -> None:
        """`api_key` is the key, or tells at each request which one is in use. `http_client` stands in for
        the network; without one, aiohttp carries the requests.
        """
        self._settings = settings
        self._key_in_use: KeyInUse = api_key if callable(api_key) else api_key.__str__
        self._address = settings.base_url.rstrip("/")
        self._sdk = sdk_that_tries_once(settings, self._key_in_use(), http_client)

    async def ask(self, enquiry: Enquiry) -> Answer | JobError:
        """What the API answers, errors of its own too; else why there is no answer."""
        self._sdk.api_key = self._key_in_use()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._send(enquiry)
        except anthropic.APIStatusError as error:
            response = error.response
        except FAILURES as error:
            return classify(error, self._settings).error
        return Answer(response.status_code, plain_headers(response.headers), response.content)

    async def aclose(self) -> None:
        """Close all connections. The client is of no use afterwards."""
        await self._sdk.close()

    async def _send(self, enquiry: Enquiry) -> httpx2.Response:
        url, options = self._address + enquiry.path, call_options(enquiry.dialect)
        if enquiry.body is None:
            return await self._sdk.get(url, cast_to=httpx2.Response, options=options)
        return await self._sdk.post(url, content=enquiry.body, cast_to=httpx2.Response, options=options)
