"""HTTP by httpx2, imported at the first request. A socket needs no TLS, so no certificates are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claudeflow.client.places import Place
from claudeflow.client.steps import Answer, Ask, Broken, Open

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 5.0
MOST_CONNECTIONS = 100


def a_client(place: Place) -> httpx2.Client:
    """A blocking client of the daemon."""
    import httpx2

    return httpx2.Client(**_settings(place, httpx2.HTTPTransport))


def an_async_client(place: Place) -> httpx2.AsyncClient:
    """An async client of the daemon."""
    import httpx2

    return httpx2.AsyncClient(**_settings(place, httpx2.AsyncHTTPTransport))


def an_sdks_client(place: Place) -> httpx2.Client:
    """One for the Anthropic SDK: it raises DaemonUnavailable where nobody answers."""
    import httpx2

    from claudeflow.client.sdk_transport import Transport

    settings = _settings(place, httpx2.HTTPTransport)
    return httpx2.Client(**settings | {"transport": Transport(settings["transport"], place)})


def an_async_sdks_client(place: Place) -> httpx2.AsyncClient:
    """The same for the async one."""
    import httpx2

    from claudeflow.client.sdk_transport import AsyncTransport

    settings = _settings(place, httpx2.AsyncHTTPTransport)
    return httpx2.AsyncClient(**settings | {"transport": AsyncTransport(settings["transport"], place)})


def _settings(place: Place, transport: Any) -> dict[str, Any]:
    import httpx2

    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=MOST_CONNECTIONS, keepalive_expiry=30
    )
    over = (
        transport(uds=str(place.socket), verify=False, limits=limits)
        if place.socket
        else transport(verify=place.base_url.startswith("https:"), limits=limits)
    )
    return {"transport": over, "base_url": place.base_url, "headers": place.headers, "trust_env": False}


def request_of(client: httpx2.Client | httpx2.AsyncClient, step: Ask | Open) -> httpx2.Request:
    """A step as a request."""
    import httpx2

    method, body = (step.method, step.body) if isinstance(step, Ask) else ("GET", None)
    accept = "application/json" if isinstance(step, Ask) else "text/event-stream, application/json"
    wait_s = float(step.query.get("wait", 0)) if isinstance(step, Ask) else 0.0
    return client.build_request(
        method,
        step.path,
        params=dict(step.query),
        content=body,
        headers={"accept": accept, **step.headers},
        timeout=httpx2.Timeout(step.timeout_s + wait_s, connect=CONNECT_TIMEOUT_S),
    )


def answer_of(response: httpx2.Response, body: bytes) -> Answer:
    """A response as the client's flows see it."""
    return Answer(response.status_code, response.headers, body)


def broken(error: httpx2.TransportError) -> Broken:
    """What a failed request means, in words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            is_permitted = not isinstance(cause, PermissionError)
            return Broken(cause.strerror or str(cause), is_permitted=is_permitted)
        cause = cause.__cause__ or cause.__context__
    return Broken(str(error) or type(error).__name__)
