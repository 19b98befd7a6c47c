"""Keyed requests: an `Idempotency-Key` makes it safe to send a request again whose answer was lost.

A key is its caller's own. The first request with it is carried out; a repeated one is answered as the
first was, one that asks for something else is refused, and so is one that comes while the first is
still being carried out. Only what was done is remembered: a refused request may be put right and sent
again under the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.domain.receipt import Receipt
from claudeflow.intake.desks.receipts import ReceiptDesk, ReceiptOf, Submitted
from claudeflow.intake.http.bodies import media_type, read_body
from claudeflow.intake.http.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidIdempotencyKey,
)
from claudeflow.intake.http.guard import who
from claudeflow.intake.mistakes import show

HEADER = "idempotency-key"
REPLAYED = "idempotent-replayed"
LONGEST_KEY = 200
MOST_BODY_BYTES = 64 * 1024

SUBMIT_PATH = "/v1/jobs"
"""Heeds a key too; its receipts go into the jobs' own commit."""

KEYED_PATHS = frozenset(
    {
        "/v1/jobs/cancel",
        "/v1/jobs/retry",
        "/v1/jobs/move",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/retry",
        "/v1/batches/{batch_id}/cancel",
        "/v1/budgets/{name}/release",
        "/v1/packs/{name}/reset",
        "/v1/holds",
    }
)
"""The other paths whose POST heeds a key."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Key:
    """A key and whose it is."""

    caller: str
    text: str


class Fingerprint:
    """A hash over all that a request asks for. Feed it the body, as one piece or as it comes in."""

    def __init__(self, request: Request) -> None:
        scope = request.scope
        parts = (request.method, scope["path"], scope["query_string"].decode("latin-1"), media_type(request))
        self._hash = hashlib.sha256("\n".join(parts).encode() + b"\n\n")

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        self._hash.update(piece)

    def digest(self) -> bytes:
        """The hash over what was fed so far."""
        return self._hash.digest()


class KeyBook:
    """Which keys are being worked on, and what earlier keyed requests were answered."""

    def __init__(self, desk: ReceiptDesk) -> None:
        self._desk = desk
        self._in_use: set[Key] = set()

    @contextmanager
    def claimed(self, request: Request) -> Iterator[Key | None]:
        """The request's key, its own until the block ends; None without one.

        Raises InvalidIdempotencyKey, IdempotencyKeyInUse.
        """
        key = _key_of(request)
        if key is None:
            yield None
            return
        if key in self._in_use:
            raise IdempotencyKeyInUse(
                f"a request with the key {show(key.text)} is being carried out; wait, then ask again"
            )
        self._in_use.add(key)
        try:
            yield key
        finally:
            self._in_use.discard(key)

    async def earlier(self, key: Key, fingerprint: bytes) -> Response | None:
        """The answer to an earlier request with this key. Raises IdempotencyKeyReused."""
        receipt = await self._desk.find(key.caller, key.text)
        if receipt is None:
            return None
        if receipt.fingerprint != fingerprint:
            raise IdempotencyKeyReused(
                f"the key {show(key.text)} came with another request before; use a new key for a new request"
            )
        headers = {REPLAYED: "true"}
        if receipt.location is not None:
            headers["location"] = receipt.location
        return Response(receipt.answer, receipt.status, headers, "application/json")

    def once(self, handler: Handler) -> Handler:
        """`handler`, carried out once for each key. What it answers is durable before it is sent."""

        async def answer(request: Request) -> Response:
            with self.claimed(request) as key:
                if key is None:
                    return await handler(request)
                fingerprint = Fingerprint(request)
                fingerprint.feed(await _body_of(request))
                digest = fingerprint.digest()
                earlier = await self.earlier(key, digest)
                if earlier is not None:
                    return earlier
                response = await handler(request)
                if response.status_code < 300:
                    await self._desk.keep(receipt(key, digest, response))
                return response

        return answer


class Once:
    """One keyed request that submits jobs: its receipt goes into the commit of its jobs.

    `feed` it the whole body, ask whether it was answered `earlier`, then submit with `receipt_of`.
    Without a key all of them do nothing.
    """

    def __init__(self, book: KeyBook, key: Key | None, request: Request) -> None:
        self._book = book
        self._key = key
        self._fingerprint = Fingerprint(request)

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        if self._key is not None:
            self._fingerprint.feed(piece)

    async def earlier(self) -> Response | None:
        """The answer to an earlier request with this key. Raises IdempotencyKeyReused."""
        if self._key is None:
            return None
        return await self._book.earlier(self._key, self._fingerprint.digest())

    def receipt_of(self, answer: Callable[[Sequence[Submitted]], Response]) -> ReceiptOf | None:
        """What is kept beside the jobs, when `answer` is what becomes of them."""
        key, digest = self._key, self._fingerprint.digest()
        return None if key is None else lambda stored: receipt(key, digest, answer(stored))


def receipt(key: Key, fingerprint: bytes, response: Response) -> Receipt:
    """What is kept of an answer."""
    location = response.headers.get("location")
    return Receipt(key.caller, key.text, fingerprint, response.status_code, location, bytes(response.body))


async def _body_of(request: Request) -> bytes:
    """The whole body. The request is left as if it had not been read: its handler reads it again."""
    request._body = await read_body(request, MOST_BODY_BYTES)
    return request._body


def _key_of(request: Request) -> Key | None:
    """The key as the header says it, with or without the quotes of a structured string."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    text = given[0].strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    is_plain = text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
    if len(given) > 1 or not text.strip() or len(text) > LONGEST_KEY or not is_plain:
        raise InvalidIdempotencyKey(
            f"idempotency-key must be one text of 1 to {LONGEST_KEY} printable ASCII characters "
            "without quotes and backslashes within, such as a UUID"
        )
    return Key(who(request), text)
