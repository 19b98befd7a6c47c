"""HTTP on one connection, with bounds: uvicorn's protocol bounds none of this by itself.

uvicorn's httptools protocol reads a head of any size for any time, keeps any number of pipelined
requests, waits for ever for the rest of a body and for a reader of its answers, closes an idle
connection only after its first request, and answers what is no HTTP in plain text, in the middle of
another answer if need be. Here each of these has an end, and an answer where one can still be given.

A connection is in a head from its first byte on, then in a body, then idle. `look` is called about
once a second; bytes are counted as they come in.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from claudeflow.domain.errors import IntakeError
from claudeflow.intake.http.bodies import PATIENT
from claudeflow.intake.http.door.dates import DATES
from claudeflow.intake.http.door.peers import PeerProtocol, user_of
from claudeflow.intake.http.door.rules import Door
from claudeflow.intake.http.errors import HeadTooLarge, MalformedRequest, TooSlow
from claudeflow.intake.http.responses import problem_bytes

MOST_PIPELINED = 32
"""Requests that wait on one connection for the answer to another."""

_FRAMING = 8
"""Bytes of framing that each byte of a body may have: chunks of one byte have five."""


class DoorProtocol(PeerProtocol):
    """One connection of the door."""

    def __init__(self, *arguments: Any, door: Door, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._door = door
        self._settings = door.settings
        self._user = ""
        self._running: RequestResponseCycle | None = None
        self._problem: IntakeError | None = None
        self._is_deaf = False
        self._in_head = self._in_body = False
        self._messages = self._head_bytes = self._unparsed_bytes = self._body_bytes = self._raw_bytes = 0
        self._stage_s = self._stuck_s = self._closing_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the connection in, or turn it away at once."""
        uid, self._user = user_of(transport.get_extra_info("socket"))
        problem = self._door.enter(self, uid)
        if problem is None:
            super().connection_made(transport)
            return
        self.transport = transport
        self._is_deaf = True
        self._door.refused(problem, self._user)
        self._answer_and_close(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came in, and count it."""
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        was_idle = not self._in_head and not self._in_body
        if was_idle:
            self._in_head, self._unparsed_bytes, self._stage_s = True, 0, 0.0
        before = self._messages
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(self._problem or MalformedRequest("this is no HTTP/1.1 request"))
        else:
            begun = self._messages - before
            self._count(len(data), is_of_one=not begun or (was_idle and begun == 1 and self._in_head))

    def look(self, elapsed_s: float) -> None:
        """So many seconds have passed: end what takes too long."""
        settings = self._settings
        if self.transport.is_closing():
            self._closing_s += elapsed_s
            if self._closing_s > settings.answer_timeout_s:
                self.transport.abort()
            return
        self._stuck_s = self._stuck_s + elapsed_s if self.flow.write_paused else 0.0
        if self._stuck_s > settings.answer_timeout_s:
            self._door.refused(TooSlow("nobody reads the answer"), self._user)
            self.transport.abort()
        elif self._in_head:
            self._stage_s += elapsed_s
            if self._stage_s > settings.header_timeout_s:
                self._refuse(
                    TooSlow(f"the head of a request took longer than {settings.header_timeout_s:g} s")
                )
        elif self._in_body:
            self._look_at_body(elapsed_s)
        elif not self._messages:
            self._stage_s += elapsed_s
            if self._stage_s > settings.keep_alive_s:
                self.transport.close()

    def on_message_begin(self) -> None:
        """The first line of a request begins."""
        super().on_message_begin()
        self._messages += 1
        self._in_head, self._in_body = True, False
        self._head_bytes = self._unparsed_bytes = 0
        self._stage_s = 0.0
        if len(self.pipeline) >= MOST_PIPELINED:
            self._fail(MalformedRequest(f"more than {MOST_PIPELINED} requests wait for answers; read those"))

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head, or behind the body, where nobody looks at it."""
        if self._in_head:
            super().on_header(name, value)
            self._count_head(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """The head is whole: a body follows, be it an empty one."""
        if self.parser.should_upgrade():
            return
        self._in_head, self._in_body = False, True
        self._body_bytes = self._raw_bytes = 0
        self._stage_s = 0.0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.parser.should_upgrade():
            return
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request was answered."""
        self._running = None
        super().on_response_complete()
        if self._is_deaf and self._running is None:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Feed the parser. It stops behind a head that asks for another protocol, which is not to be had:
        that head is read once more as if it did not ask, so that what follows is its body.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stopped:
                data = self._head_without_upgrade() + data[stopped.args[0] :]
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """The head that was just read, for a new parser. Raises HttpParserError for CONNECT."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise httptools.HttpParserError("no tunnels here")
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self._messages -= 1
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _count(self, size: int, *, is_of_one: bool) -> None:
        """What a read brought of one request, where no whole header or piece of a body tells of it."""
        if not is_of_one:
            return
        if self._in_head:
            self._unparsed_bytes += size
            if self._unparsed_bytes > self._settings.max_header_bytes:
                self._refuse(self._head_too_large())
        elif self._in_body:
            self._raw_bytes += size
            if self._raw_bytes > self._settings.max_header_bytes + self._body_bytes * (1 + _FRAMING):
                self._refuse(MalformedRequest("the body has more around it than in it"))

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._settings.max_header_bytes:
            self._fail(self._head_too_large())

    def _head_too_large(self) -> IntakeError:
        most = self._settings.max_header_bytes
        return HeadTooLarge(f"the head of the request is larger than {most:,} bytes; send less in it")

    def _look_at_body(self, elapsed_s: float) -> None:
        """Time counts while we are ready to read."""
        if self.flow.read_paused or self.cycle.waiting_for_100_continue or PATIENT in self.cycle.scope:
            return
        self._stage_s += elapsed_s
        settings = self._settings
        if self._stage_s > settings.body_timeout_s + self._body_bytes / settings.body_bytes_per_s:
            self._refuse(
                TooSlow(
                    f"the body took longer than {settings.body_timeout_s:g} s and a second for each "
                    f"{settings.body_bytes_per_s:,} bytes; send it when it is ready"
                )
            )

    def _fail(self, problem: IntakeError) -> None:
        """End the parsing from within one of the parser's callbacks."""
        self._problem = problem
        raise ValueError(problem.code)

    def _refuse(self, problem: IntakeError) -> None:
        """Answer where an answer can still be given, and close when what is under way is answered."""
        self._door.refused(problem, self._user)
        running = self._running
        if running is None:
            self._is_deaf = True
            self._answer_and_close(problem)
        elif running is self.cycle and self._in_body:
            self._is_deaf = True
            self._cut_off(running, problem)
        else:
            self._close_after_answers()

    def _cut_off(self, running: RequestResponseCycle, problem: IntakeError) -> None:
        """What is being answered will never be whole: its handler hears that its client is gone."""
        running.disconnected = True
        running.message_event.set()
        if running.response_started:
            self.transport.close()
        else:
            self._answer_and_close(problem)

    def _close_after_answers(self) -> None:
        self._is_deaf = True
        self.pipeline.clear()
        if self._running is None:
            self.transport.close()
        else:
            self._running.keep_alive = False

    def _answer_and_close(self, problem: IntakeError) -> None:
        self.transport.write(problem_bytes(problem, DATES.text().decode()))
        self.transport.close()
