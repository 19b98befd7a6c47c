"""What the HTTP door puts up with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Bounds that no client can pass, so that each leaves room for the others.

    `max_connections`: open at once, of all users and of one. `max_header_bytes`: a request's head, and what
    a body may have around it. `header_timeout_s`: from the first byte of a head to its last.
    `body_timeout_s`: how long a body may take, and one second more for each `body_bytes_per_s` of it.
    `answer_timeout_s`: how long an answer may wait for its reader. `keep_alive_s`: how long a connection may
    be idle. `max_body_bytes_in_memory`: of all requests together; half of it for one user.

    `tcp`: an address and port to listen on as well, for holders of tokens; empty for none. Only with
    `tcp_beyond_loopback` may it be one that other hosts reach. `tcp_hosts`: other names of this host that
    requests over TCP may come by.
    """

    max_connections: Annotated[int, Ge(8), Le(1_000_000)] = 4096
    max_connections_per_user: Annotated[int, Ge(4), Le(1_000_000)] = 1024
    max_header_bytes: Annotated[int, Ge(1024), Le(1_048_576)] = 16_384
    header_timeout_s: Annotated[float, Gt(0), Le(3600)] = 10.0
    body_timeout_s: Annotated[float, Gt(0), Le(86_400)] = 120.0
    body_bytes_per_s: Annotated[int, Ge(1)] = 500
    answer_timeout_s: Annotated[float, Gt(0), Le(86_400)] = 60.0
    keep_alive_s: Annotated[int, Ge(1), Le(86_400)] = 75
    max_body_bytes_in_memory: Annotated[int, Ge(67_108_864)] = 1_073_741_824
    tcp: str = ""
    tcp_beyond_loopback: bool = False
    tcp_hosts: tuple[str, ...] = ()
