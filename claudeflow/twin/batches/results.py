"""The results of a batch: one line for each request, in an order of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from claudeflow.twin.batches.batch import ENDINGS, ERRORED, SUCCEEDED, Batch
from claudeflow.twin.batches.strikes import Strike
from claudeflow.twin.chance import Chance
from claudeflow.twin.clock import Clock
from claudeflow.twin.errors import ConnectionDropped

_PIECE_BYTES = 16_384
_CONTENT_NAMES = {SUCCEEDED: b"message", ERRORED: b"error"}


class ResultLines:
    """The body of an answer: some lines at a time, with the fault that breaks it off."""

    def __init__(self, batch: Batch, seed: int, strike: Strike, clock: Clock) -> None:
        # What is being read stays, even if the batch is deleted meanwhile.
        self._ids, self._endings, self._contents = batch.custom_ids, batch.endings, batch.contents
        self._order = shuffled(len(batch.custom_ids), Chance(seed, batch.id.encode()))
        self._broken = strike.first("batch_partial")
        self._slow = strike.first("slow_body")
        self._clock = clock
        self._pieces = self._told()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """Nobody reads any further."""
        await self._pieces.aclose()

    async def _told(self) -> AsyncGenerator[bytes, None]:
        shown, last = len(self._order), b""
        if self._broken is not None:
            shown = int(shown * self._broken.after_share)
            last = b"".join(self._lines(shown, shown + 1))
        for piece in self._in_pieces(self._lines(0, shown)):
            if self._slow is not None:
                await self._clock.sleep(self._slow.gap_s)
            yield piece
        if self._broken is not None and not self._broken.orderly:
            yield last[: len(last) // 2]
            raise ConnectionDropped

    def _in_pieces(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        piece_bytes = 1 if self._slow is not None else _PIECE_BYTES
        piece: list[bytes] = []
        size = 0
        for line in lines:
            piece.append(line)
            size += len(line)
            if size >= piece_bytes:
                yield b"".join(piece)
                piece, size = [], 0
        if piece:
            yield b"".join(piece)

    def _lines(self, first: int, end: int) -> Iterator[bytes]:
        for index in self._order[first:end]:
            ending = self._endings[index]
            yield result_line(self._ids[index], ending, self._contents[index])


def result_line(custom_id: str, ending: int, content: bytes) -> bytes:
    """One line: `content` is the message of a request that succeeded, or the error of one that did not."""
    inner = b'"type":"%s"' % ENDINGS[ending].encode()
    if ending in _CONTENT_NAMES:
        inner += b',"%s":%s' % (_CONTENT_NAMES[ending], content)
    return b'{"custom_id":"%s","result":{%s}}\n' % (custom_id.encode(), inner)


def shuffled(length: int, chance: Chance) -> list[int]:
    """The numbers below `length` in any order but their own, unless there is only one."""
    order = list(range(length))
    for last in range(length - 1, 0, -1):
        other = chance.below(last + 1)
        order[last], order[other] = order[other], order[last]
    if length > 1 and all(order[index] == index for index in range(length)):
        order.reverse()
    return order
