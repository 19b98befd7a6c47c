"""Room for bodies: what all requests under way may keep in memory together, and half of it for one user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.http.door.settings import HttpSettings
from claudeflow.intake.http.errors import NoRoom
from claudeflow.intake.http.guard import who

Handler = Callable[[Request], Awaitable[Response]]

_HELD = "claudeflow.held"


class BodyRoom:
    """Counts the bytes of bodies that are in memory."""

    def __init__(self, most_bytes: int = HttpSettings().max_body_bytes_in_memory) -> None:
        self._most_bytes = most_bytes
        self._by_user: Counter[str] = Counter()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """How many are in memory now."""
        return self._bytes

    def kept_by(self, handler: Handler) -> Handler:
        """`handler`, whose requests may keep bodies until they are answered."""

        async def answer(request: Request) -> Response:
            held = request.scope[_HELD] = Held(self, request)
            try:
                return await handler(request)
            finally:
                held.give_back()

        return answer

    def take(self, user: str, size: int) -> None:
        """So many bytes more. Raises NoRoom, and takes none."""
        if self._bytes + size > self._most_bytes or self._by_user[user] + size > self._most_bytes // 2:
            raise NoRoom(
                "the bodies of the requests under way fill the memory that is theirs; send fewer at once",
                retry_after_s=1,
            )
        self._bytes += size
        self._by_user[user] += size

    def give_back(self, user: str, size: int) -> None:
        """So many bytes fewer."""
        self._bytes -= size
        self._by_user[user] -= size
        if not self._by_user[user]:
            del self._by_user[user]


class Held:
    """What one request has in memory."""

    def __init__(self, room: BodyRoom, request: Request) -> None:
        self._room = room
        self._request = request
        self._size = 0

    def take(self, size: int) -> None:
        """So many bytes more. Raises NoRoom."""
        self._room.take(who(self._request), size)
        self._size += size

    def give_back(self) -> None:
        """What came in is no longer kept."""
        if self._size:
            self._room.give_back(who(self._request), self._size)
        self._size = 0


def held_by(request: Request) -> Held:
    """What the request has in memory: to be told of what is kept, and of what no longer is."""
    held: Held = request.scope[_HELD]
    return held
