"""What is wrong with a configuration, in words: key path, what was found, what is allowed.

A value that may be an API key is never repeated.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime, time
from types import NoneType
from typing import Any, get_args, get_type_hints

import orjson
from pydantic_core import ErrorDetails

from claudeflow.config.settings import Config
from claudeflow.domain.errors import Mistake
from claudeflow.intake.http.door.tcp import read_address
from claudeflow.policy.access.grants import Grantee
from claudeflow.policy.access.settings import WORKFLOW_PATTERN_FORM, is_workflow_pattern
from claudeflow.policy.money.scopes import BudgetScope
from claudeflow.policy.money.settings import MOST_USD

_LANE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}")
_KEY_NAME = re.compile(r"(.*[._-])?(api)?key", re.IGNORECASE)
_KEY_START = "sk-ant-"

_MUST = {
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "dataclass_type": "must be a table",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be one of {expected}",
}
"""What is allowed, by the type of pydantic's error."""

_PREDICATES = {
    "is_limit": f"must be a number of US dollars above 0, {MOST_USD:,} at most",
    "is_http_url": "must be an address such as https://api.anthropic.com",
    "is_zone": 'must be the name of a time zone of this host, such as "Europe/Berlin"',
    "is_window": 'must be a window such as "Mon-Fri 18:00-08:00" or "Sat,Sun 00:00-24:00"',
    "is_span": 'must be a window without days, such as "18:00-08:00"',
    "is_day": 'must be a date such as "2026-12-24"',
}


def mistake_of(error: ErrorDetails, kind: type = Config) -> Mistake:
    """One finding of pydantic in words; `kind` is the dataclass that the whole file describes."""
    loc, context = error["loc"], error.get("ctx", {})
    path = ".".join(str(part) for part in loc if part != "[key]")
    if error["type"] == "unexpected_keyword_argument":
        return Mistake(path, f"no such key{_allowed_instead(kind, loc)}")
    if error["type"] == "missing":
        return Mistake(path, "is missing")
    if error["type"] == "value_error":
        return Mistake(path, str(context["error"]))
    if error["type"] == "predicate_failed":
        name = next((name for name in _PREDICATES if name in error["msg"]), "")
        must = _PREDICATES.get(name, error["msg"])
    else:
        must = _MUST.get(error["type"], error["msg"].replace("Input should", "must")).format(**context)
    return Mistake(path, f"{must}; found {shown(error['input'])}")


def never_allowed(tables: Mapping[str, Any], key_places: str) -> list[Mistake]:
    """API keys, numbers that are none, and dates, wherever they stand."""
    mistakes = []
    for path, value in _leaves(tables, ""):
        name = path.rpartition(".")[2]
        if _KEY_NAME.fullmatch(name) or (isinstance(value, str) and value.startswith(_KEY_START)):
            mistakes.append(Mistake(path, f"an API key does not belong into this file; {key_places}"))
        elif isinstance(value, float) and not math.isfinite(value):
            mistakes.append(Mistake(path, f"must be a finite number; found {value}"))
        elif isinstance(value, date | datetime | time):
            mistakes.append(Mistake(path, f"must not be a date or time; found {value}"))
    return mistakes


def cross_checks(tables: Mapping[str, Any]) -> list[Mistake]:
    """What no single value shows. Values of a wrong type are passed over: they are reported already."""
    default = asdict(Config())
    return [
        *_lane_mistakes(tables.get("lanes", default["lanes"]), tables.get("default_lane", "standard")),
        *_ceiling_mistakes(_table(_table(tables, "limiter"), "ceiling"), default["limiter"]["ceiling"]),
        *_mode_mistakes(_table(tables, "socket").get("mode")),
        *_tcp_mistakes(_table(tables, "http")),
        *_mailbox_mistakes(_table(tables, "mailboxes").get("folder")),
        *_budget_mistakes(_table(tables, "budgets"), tables.get("lanes", default["lanes"])),
        *_access_mistakes(_table(tables, "access"), tables.get("lanes", default["lanes"])),
    ]


def _lane_mistakes(lanes: Any, default_lane: Any) -> Iterator[Mistake]:
    if not isinstance(lanes, dict):
        return
    if not lanes:
        yield Mistake("lanes", "name at least one lane, or leave the table out for the three default lanes")
    elif isinstance(default_lane, str) and default_lane not in lanes:
        hint = did_you_mean(default_lane, lanes) or f"; allowed: {', '.join(lanes)}"
        yield Mistake("default_lane", f"no lane has this name{hint}; found {shown(default_lane)}")
    for name in lanes:
        if not _LANE_NAME.fullmatch(name):
            rule = "must be at most 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
            yield Mistake(f"lanes.{name}", f"the name of a lane {rule}")


def _ceiling_mistakes(own: Mapping[str, Any], default: Mapping[str, int]) -> Iterator[Mistake]:
    values = [own.get(name, default[name]) for name in ("minimum", "initial", "maximum")]
    if all(isinstance(value, int) for value in values) and values != sorted(values):
        found = " <= ".join(str(value) for value in values)
        yield Mistake("limiter.ceiling", f"minimum <= initial <= maximum must hold; found {found}")


def _budget_mistakes(budgets: Mapping[str, Any], lanes: Any) -> Iterator[Mistake]:
    for name, budget in budgets.items():
        if not _LANE_NAME.fullmatch(name):
            rule = "must be at most 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
            yield Mistake(f"budgets.{name}", f"the name of a budget {rule}")
        scope = budget.get("scope", "all") if isinstance(budget, dict) else None
        if isinstance(scope, str):
            yield from _scope_mistakes(f"budgets.{name}.scope", scope, lanes)
            yield from _action_mistakes(f"budgets.{name}", scope, budget.get("thresholds"))


def _action_mistakes(path: str, scope: str, thresholds: Any) -> Iterator[Mistake]:
    for number, threshold in enumerate(thresholds if isinstance(thresholds, list) else []):
        if scope == "all" and isinstance(threshold, dict) and threshold.get("action") == "hold_lane":
            rule = 'the budget covers all lanes: use "hold_all", or name a lane in its scope'
            yield Mistake(f"{path}.thresholds.{number}.action", rule)


def _scope_mistakes(path: str, text: str, lanes: Any) -> Iterator[Mistake]:
    try:
        scope = BudgetScope.parse(text)
    except ValueError as problem:
        yield Mistake(path, str(problem))
        return
    if scope.kind == "lane" and isinstance(lanes, dict) and scope.name not in lanes:
        hint = did_you_mean(scope.name, lanes) or f"; allowed: {', '.join(lanes)}"
        yield Mistake(path, f"no lane has this name{hint}; found {shown(text)}")


def _access_mistakes(access: Mapping[str, Any], lanes: Any) -> Iterator[Mistake]:
    for name, grant in access.items():
        try:
            Grantee.parse(name)
        except ValueError as problem:
            yield Mistake(f"access.{name}", f"{problem}; found {shown(name)}")
        for number, lane in _texts(grant, "lanes"):
            if isinstance(lanes, dict) and not fnmatch.filter(lanes, lane):
                hint = did_you_mean(lane, lanes) or f'; allowed: {", ".join(lanes)}, or a pattern such as "*"'
                yield Mistake(
                    f"access.{name}.lanes.{number}", f"no lane has this name{hint}; found {shown(lane)}"
                )
        for number, workflow in _texts(grant, "workflows"):
            if not is_workflow_pattern(workflow):
                found = f"{WORKFLOW_PATTERN_FORM}; found {shown(workflow)}"
                yield Mistake(f"access.{name}.workflows.{number}", found)


def _texts(table: Any, key: str) -> Iterator[tuple[int, str]]:
    """The texts of a list, with their places in it."""
    found = table.get(key) if isinstance(table, dict) else None
    for number, text in enumerate(found if isinstance(found, list) else []):
        if isinstance(text, str):
            yield number, text


def _mode_mistakes(mode: Any) -> Iterator[Mistake]:
    if isinstance(mode, str) and not _MODE.fullmatch(mode):
        yield Mistake("socket.mode", f'must be an octal mode such as "0660"; found {shown(mode)}')


def _mailbox_mistakes(folder: Any) -> Iterator[Mistake]:
    if isinstance(folder, str) and folder and not folder.startswith("/"):
        rule = 'must be a whole path such as "/var/spool/claudeflow": others would look elsewhere'
        yield Mistake("mailboxes.folder", f"{rule}; found {shown(folder)}")


def _tcp_mistakes(http: Mapping[str, Any]) -> Iterator[Mistake]:
    for number, host in _texts(http, "tcp_hosts"):
        if not _HOST.fullmatch(host):
            rule = 'must be a name or an address alone, such as "claude.example.com"'
            yield Mistake(f"http.tcp_hosts.{number}", f"{rule}; found {shown(host)}")
    text = http.get("tcp")
    if not isinstance(text, str) or not text:
        return
    try:
        address = read_address(text)
    except ValueError as problem:
        yield Mistake("http.tcp", f"{problem}; found {shown(text)}")
        return
    if not address.is_loopback and http.get("tcp_beyond_loopback") is not True:
        rule = "other hosts reach this address, and nothing is encrypted: use 127.0.0.1 behind a TLS proxy"
        yield Mistake("http.tcp", f"{rule}, or say tcp_beyond_loopback = true; found {shown(text)}")


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name)
    return table if isinstance(table, dict) else {}


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value that is no table, with its key path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _leaves(value, f"{path}.{number}")
    else:
        yield path, node


def _allowed_instead(kind: Any, loc: tuple[int | str, ...]) -> str:
    """The key that may have been meant, or else all that its table may have."""
    for part in loc[:-1]:
        kind = _type_within(kind, part)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    return did_you_mean(str(loc[-1]), names) or f"; allowed: {', '.join(names)}"


def _type_within(kind: Any, part: int | str) -> Any:
    """The type of one field of a dataclass, or of the members of a table or list."""
    if is_dataclass(kind) and isinstance(kind, type):
        kind = get_type_hints(kind).get(str(part))
    else:
        kind = next((inner for inner in get_args(kind) if inner not in (str, Ellipsis)), None)
    alternatives = [inner for inner in get_args(kind) if inner is not NoneType]
    return alternatives[0] if NoneType in get_args(kind) and len(alternatives) == 1 else kind


def did_you_mean(name: str, names: Any) -> str:
    """A question when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: Any) -> str:
    """A value as it may stand in the file; tables and lists are only named."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return orjson.dumps(value).decode()
