"""Buffer: what a reader has not taken yet. It holds back nobody who fills it, and is bounded."""

from __future__ import annotations

MOST_BYTES = 1024 * 1024
"""More than a minute of any model's output: a reader that is so far behind does not read."""


class Buffer:
    """Bytes on their way from a call to its reader."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def put(self, data: bytes) -> bool:
        """Keep more of it; False when it is too much: then all is dropped."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size <= self._most:
            return True
        self.take()
        return False

    def take(self) -> bytes:
        """All that is there."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return data
