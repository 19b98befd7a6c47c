"""Talking with the service manager: readiness, watchdog, and sockets that it opened for us.

The protocols are sd_notify(3) and sd_listen_fds(3); docs/decisions/0002 says why they are spoken here.
Started by hand, without systemd, everything in this module does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass

from claudeflow.domain.errors import ConfigError, Mistake

FIRST_LISTEN_FD = 3
UNNAMED = "unknown"
SEND_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells the service manager how the daemon stands. Never raises; says nothing without an address.

    `address` is NOTIFY_SOCKET, a path or, after `@`, an abstract name. `watchdog_interval_s` is how
    often to call `watchdog`: half of what the manager allows, or None when it does not watch us.
    """

    address: str | None = None
    watchdog_interval_s: float | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """The notifier that NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID describe."""
        return cls(environ.get("NOTIFY_SOCKET") or None, _watchdog_interval_s(environ))

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is over: jobs are claimed from now on."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._send(_status(text))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        monotonic_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        """The drain begins."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """The daemon is alive; call at least every `watchdog_interval_s`."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self.address is None:
            return
        # A full queue at the manager must not stall the event loop for long, nor cost us READY=1 at once.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_TIMEOUT_S)
            sender.connect(_socket_address(self.address))
            sender.send("\n".join(assignments).encode(errors="replace"))


def listen_fds(environ: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """The listening sockets that systemd passed to this process, by their FileDescriptorName.

    Removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, so that a second call, or a child, finds nothing.
    Raises ConfigError when two sockets share a name or a descriptor is not a socket.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found: dict[str, socket.socket] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) and names[index] else UNNAMED
        if name in found:
            problem = "two sockets have this name: give each its own FileDescriptorName="
            raise ConfigError("socket activation", [Mistake(name, problem)])
        found[name] = _adopt(FIRST_LISTEN_FD + index, name)
    return found


def _adopt(fd: int, name: str) -> socket.socket:
    """Own an inherited descriptor; children do not get it."""
    try:
        os.set_inheritable(fd, False)
        return socket.socket(fileno=fd)
    except OSError as error:
        problem = f"descriptor {fd} is not a usable socket: {error.strerror}"
        raise ConfigError("socket activation", [Mistake(name, problem)]) from error


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC, unless it is meant for another process."""
    allowed_us = environ.get("WATCHDOG_USEC", "")
    if not allowed_us.isdecimal() or int(allowed_us) == 0:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(allowed_us) / 2_000_000


def _socket_address(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


def _status(text: str) -> str:
    """One STATUS assignment: a line break in the text would begin another assignment."""
    return "STATUS=" + " ".join(text.split())
