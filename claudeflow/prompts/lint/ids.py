"""Ids that belong to one incident or one call: tickets, UUIDs, ULIDs, hashes, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from claudeflow.prompts.lint.rules import Hit

_UUID = re.compile(r"(?i)(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])")
_ULID = re.compile(r"(?<![\w-])(?=[0-9A-Z]{0,25}[A-Z])[0-7](?=[0-9A-Z]*\d)[0-9A-HJKMNP-TV-Z]{25}(?![\w-])")

_SERVICE_DESK = re.compile(
    r"(?<![\w-])(?:INC|CHG|RITM|REQ|S?CTASK|TASK|PRB|CRQ|TKT|WO|SR|CS|IM|CASE|TICKET)[-_ #]?\d{4,12}(?![\w-])"
)
_TRACKER = re.compile(r"(?<![\w./-])(?P<project>[A-Z][A-Z0-9]{1,9})-(?P<number>\d{1,7})(?![\w-]|\.\d)")
_TRACKER_IN_URL = re.compile(r"(?<=/)(?P<project>[A-Z][A-Z0-9]{1,9})-(?P<number>\d{1,7})(?![\w-]|\.\d)")
_NUMBER = re.compile(r"(?<![\w&/#])#(?P<number>\d{3,10})\b(?!;)")
_SAID = re.compile(
    r"(?i)\b(?:(?:ticket|incident|case|alert)(?:\s*[:#=]|\s)"
    r"|(?:ticket|incident|case|alert|issue|problem|change|request|order)\s+(?:no\.?|nr\.?|number|id)\s*(?:is\b|[:#=])?)"
    r"\s*(?P<id>[A-Z]{0,4}-?\d{4,12})\b(?!-\d)"
)
_TICKET_WORD = re.compile(r"(?i)\b(?:ticket|jira|incident|case|issue|change|story|epic|task)\b")
_STANDARDS = frozenset(
    """
    SHA RSA AES UTF ISO IEC IEEE RFC TIA SSAE PCI CVE CWE CAPEC NIST FIPS EN DIN BS ETSI ITU ECMA TLS
    SSL HTTP GPT COVID AS ASN VLAN VNI VRF BSI COBIT MD CRC DES DDR USB HDMI BASE ASCII LATIN WINDOWS CP
    EBCDIC KB MS GDPR SOC ANSI ASTM SP ICAO AT ED HMAC ECDSA CHACHA PBKDF ISA UL JIS GB KS CAT RG PEP
    JEP XEP OWASP CIS STIG ISAE RAID LTO RJ RS ATX DIMM TCP UDP PORT UN IPV H X P GHSA PYSEC OSV USN DSA
    RHSA
    """.split()  # noqa: SIM905 (as words it can be read)
)
_COLOUR = re.compile(r"(?i)\bcolou?r|background|hex\b")

_HEX = re.compile(
    r"(?i)(?<![\w%#&-])(?:0x|sha(?:1|256|512):)?(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{16,}(?![\w-])"
)
_COMMIT = re.compile(r"(?i)\bcommit\s(?:id\s|hash\s)?(?=[0-9a-f]*\d)(?P<id>[0-9a-f]{7,40})\b")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")
_PREFIXED = re.compile(
    r"(?<![\w-])(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abps]|sess|session|tok|token|req|msg|msgbatch|trace|span"
    r"|cus|usr|user|evt|run|job|thread|conv|AKIA)"
    r"[-_]?(?<=[-_A])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{12,}"
)
_SESSION = re.compile(
    r"(?i)\b(?:session|trace|span|request|correlation|transaction|run|conversation|message|call)"
    r"[ _-]?(?:id|token|key)\b"
    r"\s*(?:is|:|=)?\s*[\"'`]?(?P<id>(?=[\w./+-]*\d)[\w./+-]{6,})"
)
_TRACE_PARENT = re.compile(r"(?<![\w-])[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?![\w-])")
_CLOUD_RESOURCE = re.compile(
    r"(?<![\w-])(?:i|vol|snap|ami|eni|eipalloc|sg|subnet|vpc|vpce|rtb|igw|nat|lt|tgw|pcx)"
    r"-(?=[a-f]*\d)(?:[0-9a-f]{17}|[0-9a-f]{8})(?![\w-])"
)
_BASE64 = re.compile(
    r"(?<![\w/+=.-])(?=(?:[A-Za-z+/_-]*\d){3})(?=[^\s]*[a-z])(?=[^\s]*[A-Z])[A-Za-z0-9+/_-]{24,}={0,2}(?![\w/+.-])"
)
_URL = re.compile(r"\b\w+://\S+")


def ids(line: str) -> Iterator[Hit]:
    """Every id of a line that belongs to one incident or one call."""
    yield from (Hit("uuid", *found.span()) for found in _UUID.finditer(line))
    yield from (Hit("ulid", *found.span()) for found in _ULID.finditer(line))
    yield from _tickets(line)
    yield from _tokens(line)


def _tickets(line: str) -> Iterator[Hit]:
    yield from (Hit("ticket", *found.span()) for found in _SERVICE_DESK.finditer(line))
    yield from (Hit("ticket", *found.span()) for found in _SAID.finditer(line))
    said = _TICKET_WORD.search(line) is not None
    for found in _TRACKER.finditer(line):
        project = found["project"].rstrip("0123456789")
        if project not in _STANDARDS and (said or len(found["number"]) >= 3):
            yield Hit("ticket", *found.span())
    urls = _urls(line)
    for found in _TRACKER_IN_URL.finditer(line):
        if _is_within(found, urls) and found["project"].rstrip("0123456789") not in _STANDARDS:
            yield Hit("ticket", *found.span())
    for found in _NUMBER.finditer(line):
        if not (len(found["number"]) == 6 and _COLOUR.search(line)):
            yield Hit("ticket", *found.span())


def _tokens(line: str) -> Iterator[Hit]:
    for pattern in (_HEX, _JWT, _PREFIXED, _TRACE_PARENT, _CLOUD_RESOURCE):
        yield from (Hit("token", *found.span()) for found in pattern.finditer(line))
    for pattern in (_COMMIT, _SESSION):
        yield from (Hit("token", *found.span("id")) for found in pattern.finditer(line))
    urls = _urls(line)
    for found in _BASE64.finditer(line):
        if not _is_within(found, urls):
            yield Hit("token", *found.span())


def _urls(line: str) -> list[tuple[int, int]]:
    return [found.span() for found in _URL.finditer(line)]


def _is_within(found: re.Match[str], spans: list[tuple[int, int]]) -> bool:
    return any(start <= found.start() < end for start, end in spans)
