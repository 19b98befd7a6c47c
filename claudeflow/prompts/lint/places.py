"""Addresses and names of machines and people: IP, MAC, host names, e-mail, telephone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from claudeflow.prompts.lint.rules import Hit

NETWORKS_OF_A_LIST = 3
"""A line with so many networks lists them: that is reference data."""

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(
    rf"(?<![\w.])(?P<ip>{_OCTET}(?:\.{_OCTET}){{3}})(?P<net>/(?:3[0-2]|[12]?\d))?(?![\w/]|\.\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?P<ip>[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:\d+\.){0,3}[0-9A-Fa-f]*)(?:%\w+)?(?P<net>/\d{1,3})?(?![\w:])"
)
_VERSION_BEFORE = re.compile(r"(?:\b[Vv]|[Vv]ersion|[Rr]elease|[Ss]ection|[Cc]hapter|§)\s?$")
_CONSTANTS = [
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/32",
        "255.0.0.0/8",
        "127.0.0.0/8",
        "::/128",
        "::1/128",
        "169.254.0.0/16",
        "224.0.0.0/4",
    )
]
_RESOLVERS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"}
_RESERVED = {
    "0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
    "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "224.0.0.0/4",
    "240.0.0.0/4", "::/0", "fc00::/7", "fd00::/8", "fe80::/10", "ff00::/8", "2001:db8::/32", "2000::/3",
}  # fmt: skip

_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-]|\.\w)"
)
_CONSTANT_MAC = re.compile(
    r"(?i)^(?:(?:ff[:-]?|00[:-]?){6}|01[:-]00[:-]5e|ffff\.ffff\.ffff|0000\.0000\.0000)"
)

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w@])")
_ROLE = re.compile(
    r"(?i)(?:security|support|info|help(?:desk)?|service-?desk|service|no-?reply|abuse|privacy|legal|contact"
    r"|sales|billing|postmaster|hostmaster|webmaster|feedback|office|press)@"
)
_PHONE = re.compile(r"(?<![\w.+])(?:\+|00(?=[1-9]))\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?![\w])")
_SAID_PHONE = re.compile(
    r"(?i)\b(?:phone|tel|telephone|mobile|cell|fax|ext|call(?:back)?(?: number)?)\b\W{1,3}"
    r"(?P<n>\(?\d[\d ()./-]{5,}\d)"
)

_INTERNAL = r"(?:local|localdomain|corp|internal|intern|lan|intra|intranet|home|priv|private|ad|dmz)"
_FQDN = re.compile(
    r"(?<![\w@./\\-])(?P<first>[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}))(?P<rest>(?:\.[A-Za-z0-9-]+)*\.[A-Za-z][A-Za-z0-9-]+)(?![\w@]|\.\w|\()"
)
_IN_URL = re.compile(
    r"(?i)\b(?:https?|ssh|ftp|ldaps?|smb|postgres(?:ql)?|mysql|amqp|redis)://(?:[^\s/@]+@)?(?P<host>[A-Za-z0-9.-]+)"
)
_ENDS_INTERNAL = re.compile(rf"(?i)\.{_INTERNAL}(?:\.[a-z]{{2,}})*$")
_MACHINE_PART = re.compile(r"(?i)^(?=.*[a-z])(?:[a-z]+-)*[a-z]*\d{1,4}(?:-[a-z0-9]+)*$|^ip-\d+-\d+-\d+-\d+$")
_FILE_END = re.compile(
    r"(?i)\.(?:md|txt|json|toml|ya?ml|py|js|ts|html?|css|pdf|docx?|xlsx?|csv|cfg|conf|ini|log|sh|exe|dll|net|pol|inc|svc|jar|zip|gz|png|jpe?g|sql|xml|php|rb|go|rs|java|c|h)$"
)
_MACHINE_WORD = (
    r"(?:srv|server|db|sql|web|app|api|dc|ad|dns|dhcp|fw|sw|switch|rtr|router|gw|esxi?|vm|host|mail|mx|smtp|proxy"
    r"|lb|k8s|ws|pc|laptop|desktop|nb|lt|nas|san|file|fs|print(?:er)?|prn|bkp|backup|vpn|ldap|kafka|redis|pg|ora"
    r"|win|lnx|linux|ubuntu|prod|prd|stg|uat|dev|core|edge|access|ap|cam)"
)
_BARE = re.compile(
    rf"(?i)(?<![\w@./\\-]){_MACHINE_WORD}\d*(?:-[a-z0-9]+){{0,4}}-?(?<=[a-z0-9-])\d{{2,4}}(?![\w@]|[.-]\w)"
    r"|(?<![\w@./\\-])(?:DESKTOP|LAPTOP|WIN|WS|PC)-[A-Z0-9]{5,12}(?![\w-])"
    r"|(?<![\w@./\\-])(?-i:[A-Z]{2,6}\d{0,2})-(?-i:SRV|DB|WEB|APP|DC|FW|SW|RTR|VM)-?\d{1,4}(?![\w-])"
)
_SAID_HOST = re.compile(
    r"(?i)\b(?:host ?names?|hosts?|server|machine|workstation|computer|device|appliance|fqdn|endpoint|vm)\b"
    r"(?:\s*(?:name|named|called|is|:|=|affected|concerned))*\s+$"
    r"|\b(?:host ?name|host|server|fqdn|machine)\s*[:=]\s*$"
)
_UNC = re.compile(r"(?<![\w\\])\\\\[A-Za-z0-9][\w.-]+\\[\w$.-]+")


def places(line: str) -> Iterator[Hit]:
    """Every address or name of a machine or a person in a line."""
    yield from _addresses(line)
    yield from (Hit("mac", *m.span()) for m in _MAC.finditer(line) if not _CONSTANT_MAC.match(m.group()))
    yield from (Hit("email", *m.span()) for m in _EMAIL.finditer(line) if not _ROLE.match(m.group()))
    yield from (
        Hit("phone", *m.span()) for m in _PHONE.finditer(line) if sum(map(str.isdigit, m.group())) >= 9
    )
    yield from (Hit("phone", *m.span("n")) for m in _SAID_PHONE.finditer(line))
    yield from _hosts(line)


def is_address(text: str) -> bool:
    """Whether the text is an IP address or a network, and nothing else."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _addresses(line: str) -> Iterator[Hit]:
    found = [m for m in (*_IPV4.finditer(line), *_IPV6.finditer(line)) if _is_ip(m["ip"])]
    networks = [m for m in found if m["net"] and _is_network(m.group())]
    listed = networks if len(networks) >= NETWORKS_OF_A_LIST else []
    for match in found:
        if match in listed or _VERSION_BEFORE.search(line[: match.start()]) or _is_constant(match):
            continue
        yield Hit("ip", *match.span())


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return ":" not in text or any(char.isdigit() for char in text) or text == "::"


def _is_network(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return False
    return network.prefixlen < network.max_prefixlen


def _is_constant(match: re.Match[str]) -> bool:
    address = ipaddress.ip_address(match["ip"])
    if match["ip"] in _RESOLVERS or match.group().lower() in _RESERVED:
        return True
    return any(address.version == net.version and address in net for net in _CONSTANTS)


def _hosts(line: str) -> Iterator[Hit]:
    for found in _FQDN.finditer(line):
        if _is_machine(found.group(), found["first"]) or _is_said_host(line, found):
            yield Hit("host", *found.span())
    for found in _IN_URL.finditer(line):
        if _is_machine(found["host"], found["host"].partition(".")[0]):
            yield Hit("host", *found.span("host"))
    yield from (Hit("host", *found.span()) for found in _BARE.finditer(line))
    yield from (Hit("host", *found.span()) for found in _UNC.finditer(line))


def _is_machine(name: str, first: str) -> bool:
    if _ENDS_INTERNAL.search(name):
        return True
    return (
        name.count(".") >= 2
        and not is_address(name)
        and _MACHINE_PART.match(first) is not None
        and not _FILE_END.search(name)
    )


def _is_said_host(line: str, found: re.Match[str]) -> bool:
    if _FILE_END.search(found.group()) or found.group()[0].isdigit():
        return False
    return _SAID_HOST.search(line[: found.start()]) is not None
