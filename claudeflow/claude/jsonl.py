"""Lines of JSON (JSONL): bytes in, whole lines out."""

from __future__ import annotations


class LineTooLong(ValueError):
    """A line that is longer than anything the API writes."""


class LineReader:
    """Cuts a byte stream into its lines, and keeps no more of it than the line that is not whole yet."""

    def __init__(self, longest_bytes: int) -> None:
        self._longest_bytes = longest_bytes
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without blank ones. Raises LineTooLong."""
        first, newline, others = chunk.partition(b"\n")
        self._rest += first
        if len(self._rest) > self._longest_bytes:
            raise LineTooLong(f"a line has more than {self._longest_bytes} bytes")
        if not newline:
            return []
        *whole, rest = [bytes(self._rest), *others.split(b"\n")]
        self._rest = bytearray(rest)
        return [line for line in whole if line.strip()]

    def rest(self) -> bytes:
        """What follows the last line end: nothing, or a line that may be cut short."""
        return bytes(self._rest.strip())
