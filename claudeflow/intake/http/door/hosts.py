"""Which names and pages a request may come by: against pages in a browser that reach for this door.

A page whose name is made to lead here (DNS rebinding) sends its own name as `Host`, and any page that sends
more than a plain GET says where it is from as `Origin`. No answer ever has CORS headers, so no page can
read one.
"""

from __future__ import annotations

from starlette.datastructures import Headers

from claudeflow.intake.http.errors import ForeignOrigin, WrongHost
from claudeflow.intake.mistakes import show

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What this host calls itself."""


def check_host(headers: Headers, hosts: frozenset[str]) -> None:
    """Whether the request names this host. Raises WrongHost."""
    given = headers.getlist("host")
    if len(given) != 1 or host_of(given[0]) not in hosts:
        shown = show(", ".join(given)) if given else "missing"
        raise WrongHost(
            f"host is {shown}; this door answers to {', '.join(sorted(hosts))}: use one of them, or add the "
            "name to `[http] tcp_hosts`"
        )


def check_origin(headers: Headers) -> None:
    """Whether the request comes from no page, or from one of this very address. Raises ForeignOrigin."""
    given, here = headers.getlist("origin"), headers.get("host", "").lower()
    if given and not (len(given) == 1 and given[0].lower() in (f"http://{here}", f"https://{here}")):
        raise ForeignOrigin(
            f"the request comes from the page {show(', '.join(given))}, and pages of others are not served; "
            "ask from a program"
        )


def host_of(text: str) -> str:
    """The host in `HOST` or `HOST:PORT`, in lower case; an IPv6 address keeps its brackets."""
    text = text.strip().lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]
