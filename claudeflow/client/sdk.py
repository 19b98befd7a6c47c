"""The Anthropic SDK, pointed at the daemon: its calls are queued, paced, cached and booked like any job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from claudeflow.client import http
from claudeflow.client.places import Place, find_place

if TYPE_CHECKING:
    import anthropic

CALL_TIMEOUT_S = 3_600.0
"""A call may wait for its turn for so long."""

RETRIES = 5
"""Enough for a daemon that restarts. What the API has to be asked again, the daemon does itself."""

NO_KEY = "claudeflow"
"""The SDK wants a key; the daemon has the real one."""


def anthropic_client(
    socket: str | os.PathLike[str] | None = None,
    *,
    base_url: str | None = None,
    token: str | None = None,
    lane: str | None = None,
    workflow: str | None = None,
    **settings: Any,
) -> anthropic.Anthropic:
    """An `anthropic.Anthropic` of this daemon; `settings` are the SDK's own, and win."""
    import anthropic

    place = find_place(socket, base_url, token)
    found = _settings(place, lane, workflow, settings)
    return anthropic.Anthropic(**{"http_client": http.an_sdks_client(place), **found})


def async_anthropic_client(
    socket: str | os.PathLike[str] | None = None,
    *,
    base_url: str | None = None,
    token: str | None = None,
    lane: str | None = None,
    workflow: str | None = None,
    **settings: Any,
) -> anthropic.AsyncAnthropic:
    """An `anthropic.AsyncAnthropic` of this daemon; `settings` are the SDK's own, and win."""
    import anthropic

    place = find_place(socket, base_url, token)
    found = _settings(place, lane, workflow, settings)
    return anthropic.AsyncAnthropic(**{"http_client": http.an_async_sdks_client(place), **found})


def _settings(
    place: Place, lane: str | None, workflow: str | None, settings: dict[str, Any]
) -> dict[str, Any]:
    import httpx2

    named = {"x-claudeflow-lane": lane, "x-claudeflow-workflow": workflow}
    headers = {name: value for name, value in named.items() if value is not None}
    identity = {"auth_token": place.token} if place.token else {"api_key": NO_KEY}
    return {
        **identity,
        "base_url": place.base_url,
        "timeout": httpx2.Timeout(CALL_TIMEOUT_S, connect=http.CONNECT_TIMEOUT_S),
        "max_retries": RETRIES,
        **settings,
        "default_headers": {**headers, **settings.get("default_headers", {})},
    }
