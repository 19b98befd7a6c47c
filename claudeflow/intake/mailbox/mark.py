"""The mark: which mailbox the porter works on, readable by the daemon also when the porter has died."""

from __future__ import annotations

import mmap
import os

_BYTES = 128


class Mark:
    """A name in memory that two processes share."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @classmethod
    def made(cls) -> tuple[Mark, int]:
        """A new one, and the file by which the porter opens it. Close that number yourself."""
        number = os.memfd_create("claudeflow-mark")
        os.ftruncate(number, _BYTES)
        return cls.opened(number), number

    @classmethod
    def opened(cls, number: int) -> Mark:
        """The one behind an inherited file."""
        return cls(mmap.mmap(number, _BYTES))

    def set(self, name: str) -> None:
        """From now on it works on `name`; empty for none."""
        body = name.encode()
        self._memory[0 : len(body) + 1] = body + b"\0"

    def get(self) -> str:
        """What it works on, or worked on when it died."""
        return self._memory[:].split(b"\0", 1)[0].decode()

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
