"""Builders for the twin's tests: requests, clients, and a clock that is wound by hand."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anthropic
import httpx2
import orjson

from claudeflow.twin.engine import Twin
from claudeflow.twin.models import Model, find_model
from claudeflow.twin.request import MessageRequest, read_request
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.transport import TwinTransport
from claudeflow.twin.wire import HttpAnswer, HttpCall

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
EPOCH_S = 1_795_000_000.0
T = TypeVar("T")


class WoundClock:
    """Time that moves only by `advance`, or by the twin's own sleeps when `runs` is true."""

    def __init__(self, *, runs: bool = True) -> None:
        self.now = 100.0
        self.slept_s: list[float] = []
        self.sleeping = asyncio.Event()
        self._runs = runs

    def monotonic(self) -> float:
        return self.now

    def epoch(self) -> float:
        return EPOCH_S + self.now

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.sleeping.set()
        if not self._runs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.now += delay_s

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": "claude-opus-5",
        "max_tokens": 1_000,
        "messages": [
            {"role": "user", "content": "Explain what the firewall change FW-4711 opens and to whom."}
        ],
    }
    return {key: value for key, value in {**body, **changes}.items() if value is not None}


def a_model(name: str = "claude-opus-5") -> Model:
    model = find_model(name)
    assert model is not None
    return model


def a_request(**changes: Any) -> MessageRequest:
    return read_request(a_body(**changes), HEADERS)


def a_call(
    path: str = "/v1/messages", *, method: str = "POST", headers: Any = None, **changes: Any
) -> HttpCall:
    head, _, query = path.partition("?")
    body = orjson.dumps(a_body(**changes)) if method == "POST" else b""
    return HttpCall(method, head, query, HEADERS if headers is None else headers, body)


def a_twin(clock: WoundClock | None = None, **settings: Any) -> Twin:
    return Twin(TwinSettings(**settings), clock or WoundClock())


def a_client(twin: Twin, **options: Any) -> anthropic.AsyncAnthropic:
    http_client = httpx2.AsyncClient(transport=TwinTransport(twin))
    return anthropic.AsyncAnthropic(api_key="k", max_retries=0, http_client=http_client, **options)


def headers_of(answer: HttpAnswer) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.headers}


def json_of(answer: HttpAnswer) -> Any:
    assert isinstance(answer.body, bytes)
    return orjson.loads(answer.body)


def text_block(chars: int, *, ttl: str | None = None, fill: str = "policy ") -> dict[str, Any]:
    """A system block of so many characters; with a ttl it ends a prefix."""
    block: dict[str, Any] = {"type": "text", "text": (fill * (chars // len(fill) + 1))[:chars]}
    if ttl is not None:
        block["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return block


async def read_all(answer: HttpAnswer, into: list[bytes] | None = None) -> bytes:
    """The whole body, streamed or not; what came before a reset is found in `into`."""
    if isinstance(answer.body, bytes):
        return answer.body
    parts = [] if into is None else into
    try:
        async for data in answer.body:
            parts.append(data)
    finally:
        await answer.body.aclose()
    return b"".join(parts)


class _Jump(selectors.SelectSelector):
    """Instead of waiting it tells the loop that the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that never comes"
        self.now += max(0.0, timeout)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at `start_s` and jumps to the next timer; it counts its timers."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._jump = _Jump()
        self._jump.now = start_s
        self.timers = 0
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def call_at(  # type: ignore[override]
        self, when: float, *args: Any, **options: Any
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, *args, **options)


def in_virtual_time(work: Callable[[JumpingLoop], Coroutine[Any, Any, T]], start_s: float = 0.0) -> T:
    """What `work` returns when it runs on a loop of its own."""
    loops: list[JumpingLoop] = []

    def new_loop() -> JumpingLoop:
        loops.append(JumpingLoop(start_s))
        return loops[-1]

    async def main() -> T:
        return await work(loops[-1])

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())
