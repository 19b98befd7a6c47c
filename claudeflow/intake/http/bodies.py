"""Reading request bodies without ever holding more than is allowed.

A body that is a little too large is read to its end and thrown away, so that ordinary clients,
which write everything before they read, get to see the answer. A much larger one is cut off:
the answer closes the connection, else the server would go on to swallow a body without end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.http.errors import BodyTooLarge, UnsupportedMediaType
from claudeflow.intake.http.room import held_by
from claudeflow.intake.mistakes import show

MOST_NDJSON_BYTES = 512 * 1024 * 1024
PATIENT = "claudeflow.patient"
"""Set in a request's scope: its body may come in as slowly as it likes, since none of it is kept."""

_THROWN_AWAY_FACTOR = 2
_WAS_READ = "claudeflow.body_was_read"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an NDJSON body, counted from 1. `text` is None when it was longer than allowed."""

    number: int
    text: bytes | None


def media_type(request: Request) -> str:
    """The content-type without its parameters, in lower case; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_json(request: Request) -> None:
    """Whether the body says that it is JSON. Raises UnsupportedMediaType."""
    kind = media_type(request)
    if kind != "application/json":
        raise UnsupportedMediaType(f"content-type is {show(kind)}; send application/json")


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. Raises BodyTooLarge, for a much too large one before it was read."""
    too_large = BodyTooLarge(
        f"the body is larger than {most_bytes:,} bytes, the most that the API takes; "
        "send less, or refer to large documents by a Files API id"
    )
    if _declared_length(request) > most_bytes * _THROWN_AWAY_FACTOR:
        raise too_large
    pieces: list[bytes] = []
    size, held = 0, held_by(request)
    async for piece in request.stream():
        size += len(piece)
        if size <= most_bytes:
            held.take(len(piece))
            pieces.append(piece)
        elif size <= most_bytes * _THROWN_AWAY_FACTOR:
            pieces.clear()
        else:
            raise too_large
    request.scope[_WAS_READ] = True
    if size > most_bytes:
        raise too_large
    return b"".join(pieces)


async def read_lines(
    request: Request, most_line_bytes: int, feed: Callable[[bytes], None] | None = None
) -> AsyncIterator[Line]:
    """The lines of an NDJSON body that are not blank. Raises BodyTooLarge when all are too much.

    `feed` is given every piece of the body as it comes in.
    """
    splitter = LineSplitter(most_line_bytes)
    size, held = 0, held_by(request)
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_NDJSON_BYTES:
            raise BodyTooLarge(
                f"the body is larger than {MOST_NDJSON_BYTES:,} bytes; send it in several requests"
            )
        held.take(len(piece))
        if feed is not None:
            feed(piece)
        for line in splitter.feed(piece):
            yield line
    request.scope[_WAS_READ] = True
    for line in splitter.end():
        yield line


def close_if_unread(request: Request, response: Response) -> Response:
    """`response`, which closes the connection when the request has a body that was not read to its end."""
    headers = request.headers
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    if has_body and _WAS_READ not in request.scope:
        response.headers["connection"] = "close"
    return response


class LineSplitter:
    """Cuts a byte stream into lines and forgets what is longer than allowed."""

    def __init__(self, most_line_bytes: int) -> None:
        self._most = most_line_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._number = 1

    def feed(self, piece: bytes) -> list[Line]:
        """The lines that `piece` completes."""
        *complete, rest = piece.split(b"\n")
        lines = []
        for part in complete:
            self._keep(part)
            lines += self.end()
            self._number += 1
        self._keep(rest)
        return lines

    def end(self) -> list[Line]:
        """The line that is being read, unless it is blank; the next one starts empty."""
        text = b"".join(self._pieces) if self._size <= self._most else None
        self._pieces, self._size = [], 0
        return [Line(self._number, text)] if text is None or text.strip() else []

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._most:
            self._pieces.append(part)
        else:
            self._pieces.clear()


def _declared_length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0
