"""Server-sent events: bytes in, JSON events out."""

from __future__ import annotations

from typing import Any

import orjson


class SseReader:
    """Cuts a byte stream into the JSON objects of its `data` lines.

    The event's name is not read: each Messages event repeats it as `type`. An event that the
    stream breaks off within is dropped, as the standard asks.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that `chunk` completes. Raises orjson.JSONDecodeError on data that is no JSON."""
        self._rest += chunk
        if b"\r" in self._rest:
            self._rest = self._rest.replace(b"\r\n", b"\n")
        *blocks, self._rest = self._rest.split(b"\n\n")
        events = [_event(block) for block in blocks]
        return [event for event in events if isinstance(event, dict)]


def _event(block: bytes) -> Any:
    data = b"\n".join(line[5:] for line in block.split(b"\n") if line.startswith(b"data:"))
    return orjson.loads(data) if data else None


class WholeEvents:
    """Passes a byte stream on unchanged, but never ends within an event."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What `chunk` completes; empty when it completes nothing."""
        whole = self._rest + chunk if self._rest else chunk
        ends = [whole.rfind(blank) + len(blank) for blank in (b"\n\n", b"\r\n\r\n") if blank in whole]
        end = max(ends, default=0)
        self._rest = whole[end:]
        return whole[:end]
