"""Messages between daemon and porter: four bytes of length, then JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_HEAD = 4


def pack(message: Mapping[str, Any]) -> bytes:
    """One message as bytes."""
    body = orjson.dumps(message)
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    """Messages out of bytes as they come in."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, received: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now."""
        self._pending += received
        while len(self._pending) >= _HEAD:
            end = _HEAD + int.from_bytes(self._pending[:_HEAD], "big")
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_HEAD:end])
            del self._pending[:end]
            yield orjson.loads(body)
