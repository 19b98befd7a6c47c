"""The TCP door, and what keeps pages in a browser out of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from claudeflow.intake.desks.access import NewToken
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.hosts import LOOPBACK, check_host, check_origin
from claudeflow.intake.http.door.listener import SocketUnavailable
from claudeflow.intake.http.door.server import serve
from claudeflow.intake.http.door.tcp import TcpAddress, listen_on, read_address
from claudeflow.intake.http.errors import ForeignOrigin, WrongHost
from claudeflow.policy.access.settings import GrantSettings
from tests.intake.builders import NOW_MS, a_catalog
from tests.intake.serving import serving
from tests.intake.test_access_http import House
from tests.support.fake_desk import FakeDesk


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("127.0.0.1:8765", ("127.0.0.1", 8765), True),
        ("127.9.9.9:1", ("127.9.9.9", 1), True),
        ("[::1]:65535", ("::1", 65535), True),
        ("localhost:80", ("127.0.0.1", 80), True),
        ("0.0.0.0:80", ("0.0.0.0", 80), False),
        ("[::]:80", ("::", 80), False),
        ("10.0.0.7:80", ("10.0.0.7", 80), False),
    ],
)
def test_addresses(text: str, address: tuple[str, int], is_loopback: bool) -> None:
    assert read_address(text) == address
    assert read_address(text).is_loopback is is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8765",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "::1:80",
        "[::1:80",
        "300.0.0.1:80",
        "host:80",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="must be an address and a port"):
        read_address(text)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "127.0.0.1:8765", "[::1]:8765", "[::1]", "proxy.example"]
)
def test_names_of_this_host(host: str) -> None:
    check_host(Headers({"host": host}), LOOPBACK | {"proxy.example"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::2]",
        "::1",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(WrongHost, match="tcp_hosts"):
        check_host(Headers({"host": host}), LOOPBACK)


def test_a_request_names_one_host() -> None:
    with pytest.raises(WrongHost, match="missing"):
        check_host(Headers({}), LOOPBACK)
    with pytest.raises(WrongHost):
        check_host(Headers(raw=[(b"host", b"localhost"), (b"host", b"localhost")]), LOOPBACK)


@pytest.mark.parametrize(
    "origin", ["http://localhost:8765", "HTTP://LOCALHOST:8765", "https://localhost:8765"]
)
def test_pages_of_this_very_address_may_ask(origin: str) -> None:
    check_origin(Headers({"host": "localhost:8765", "origin": origin}))


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost", "http://localhost:8766", "http://127.0.0.1:8765"],
)
def test_pages_of_others_may_not(origin: str) -> None:
    with pytest.raises(ForeignOrigin):
        check_origin(Headers({"host": "localhost:8765", "origin": origin}))


def test_two_origins_are_foreign() -> None:
    raw = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"origin", b"http://localhost")]
    with pytest.raises(ForeignOrigin):
        check_origin(Headers(raw=raw))


@asynccontextmanager
async def over_tcp(desk: FakeDesk) -> AsyncIterator[httpx2.AsyncClient]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop, app = asyncio.Event(), build_app(desk, lambda: NOW_MS)
    ended = asyncio.create_task(serve(app, listen_on(TcpAddress("127.0.0.1", port)), stop))
    try:
        address = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=address, timeout=20, trust_env=False, verify=False) as client:
            yield client
    finally:
        stop.set()
        await ended


async def test_over_tcp_a_token_is_all_that_counts() -> None:
    desk = FakeDesk(a_catalog())
    _, text = await desk.access.create_token(NewToken("ci", GrantSettings(("read",)), None, "root"))
    async with over_tcp(desk) as client:
        assert (await client.get("/-/healthy")).status_code == 200
        refused = await client.get("/v1/status")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert "token" in refused.json()["detail"]
        bearer = {"authorization": f"Bearer {text}"}
        allowed = await client.get("/v1/status", headers=bearer)
        assert allowed.status_code == 200
        assert (await client.post("/v1/jobs", headers=bearer)).status_code == 403
        assert [name for name in allowed.headers if name.startswith("access-control")] == []


async def test_over_tcp_pages_get_nothing_even_with_a_token() -> None:
    desk = FakeDesk(a_catalog())
    _, text = await desk.access.create_token(NewToken("ci", GrantSettings(("read",)), None, "root"))
    async with over_tcp(desk) as client:
        bearer = {"authorization": f"Bearer {text}"}
        rebound = await client.get("/v1/status", headers={**bearer, "host": "evil.example"})
        assert (rebound.status_code, rebound.json()["code"]) == (421, "wrong_host")
        page = await client.get("/v1/status", headers={**bearer, "origin": "http://evil.example"})
        assert (page.status_code, page.json()["code"]) == (403, "foreign_origin")
        for path in ("/-/healthy", "/openapi.json"):
            assert (await client.get(path, headers={"host": "evil.example"})).status_code == 421
        asked = await client.options("/v1/jobs", headers={"origin": "http://evil.example"})
        assert asked.status_code == 405
        assert [name for name in asked.headers if name.startswith("access-control")] == []


async def test_over_the_unix_socket_any_host_will_do_and_no_page(tmp_path: Path) -> None:
    async with serving(FakeDesk(a_catalog()), tmp_path) as served:
        assert (await served.client.get("/v1/status", headers={"host": "any.example"})).status_code == 200
        page = await served.client.get("/v1/status", headers={"origin": "http://evil.example"})
        assert page.json()["code"] == "foreign_origin"


async def test_a_page_of_others_is_refused_before_anybody_is_looked_at() -> None:
    answer = await House().ask("GET", "/v1/status", headers={"origin": "http://evil.example"})
    assert answer.json()["code"] == "foreign_origin"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SocketUnavailable, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            listen_on(TcpAddress("127.0.0.1", port))
