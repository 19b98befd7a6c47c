"""Draws docs/events.md from the classes of events.

python -m tests.domain.events_page > docs/events.md
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

from claudeflow.domain.budget import BudgetChange
from claudeflow.domain.event_kinds import KINDS
from claudeflow.domain.hold import Hold, Scope
from claudeflow.domain.job import JobError
from claudeflow.domain.usage import Usage
from claudeflow.intake.views.events import PROSE

UNITS = {
    "_ms": "milliseconds since 1970, UTC",
    "_s": "seconds",
    "_nanousd": "billionths of a dollar",
    "_tokens": "tokens",
    "_bytes": "bytes",
}
PARTS: Mapping[type, str] = {JobError: "JobError", Usage: "Usage", Hold: "Hold", BudgetChange: "BudgetChange"}
JSON = {str: "string", int: "integer", float: "number", bool: "boolean", Scope: "string"}

INTRODUCTION = """\
# Events

Everything that happens in the daemon is one event on one stream. `GET /v1/events` tells them as they happen,
as [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html); `claudeflow follow`
prints them, and the [Python client](python.md#events) iterates over them. The log is made of the same events.
This page is drawn from the classes in `claudeflow/domain`; a test compares the two.

```sh
curl -N --unix-socket /run/claudeflow/claudeflow.sock \\
  'http://localhost/v1/events?type=job_finished,hold_set&lane=bulk'
```

```
id: 4f1c2ab09d3e7715-1042
event: job_finished
data: {"at":"2026-11-22T09:00:00.000Z","event":"job_finished","job_id":17,"lane":"bulk", …}
```

- **Filters** are parameters of the query: `type` (one or several, with commas between them), `job`, `lane`,
  `workflow`. An event passes when it passes all that are given. A job, lane or workflow passes events that
  name it in `job_id`, `lane` (also `from_lane`) or `workflow`, or as their `scope`. What is not known is
  refused with `invalid_query`.
- **Who is told what**: whoever may `read` is told everything. Whoever may only `submit` is told of its own
  jobs: events whose `submitted_by` is its own name, and a `gap`. What is of several jobs (`jobs_submitted`,
  the call of a pack) or of none (holds, budgets, batches) is not told to it. Ids, and `missed` in a `gap`,
  count the events of everybody. See [access.md](access.md).
- **Going on**: send the last `id` that came as the header `Last-Event-ID`, as browsers do by themselves,
  and the stream goes on with the event after it. The daemon keeps the last 8,192 events in memory. Where
  some are lost, a `gap` comes first. Without the header the stream begins with what happens next; it starts
  with an `id` alone, so that whoever is cut off early can go on from there.
- **Quiet**: a comment line comes at least every 15 seconds. With it comes the `id` when events went by that
  the filters leave out.
- **Slow readers** hold back nobody. Whoever has not taken an event when the daemon must let go of it is cut
  off, and told by a `gap` when coming back.
- **The end**: a daemon that stops tells `daemon_draining` if jobs still run, then how they end, then
  `daemon_stopped`, and closes the stream. Whoever may not read along any more is cut off within a second: its
  token was revoked or has expired, or its grant was taken away.

Prompts, answers, keys and the prose of API errors are in no event. Every event has `at`, the time at which
it was told, and `event`, its kind. Enums are strings. A field that may be `null` says so.
"""

GAP = """\
### `gap`

Some events will never come. It has the `id` after which the stream goes on, passes every filter, and stands
only at the beginning.

| Field | Type | Unit |
|---|---|---|
| `reason` | string: `too_old` (no longer kept), `other_daemon` (the id is of an earlier daemon) | |
| `missed` | integer or null: how many of all kinds, where that is known | |
"""


def page() -> str:
    """The whole page."""
    kinds = ["\n".join(_section(f"`{name}`", kind)) + "\n" for name, kind in sorted(KINDS.items())]
    parts = ["\n".join(_section(name, kind)) + "\n" for kind, name in PARTS.items()]
    return "\n".join((INTRODUCTION, "## Kinds\n", GAP, *kinds, "## What events are made of\n", *parts))


def _section(title: str, kind: type) -> Iterator[str]:
    yield f"### {title}\n"
    yield inspect.cleandoc(kind.__doc__ or "") + "\n"
    yield "| Field | Type | Unit |"
    yield "|---|---|---|"
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        if kind is not JobError or field.name not in PROSE:
            hint = hints[field.name]
            yield f"| `{field.name}` | {_type_of(hint)} | {_unit_of(field.name)} |"
    if kind is Hold:
        yield "| `way_out` | string |  |"
        yield "\n`reason` is `null` where it is the API's prose: then `cause` says why."


def _unit_of(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _type_of(hint: Any) -> str:
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("null" if part is type(None) else _type_of(part) for part in arguments)
    if origin is tuple:
        return f"list of {_type_of(arguments[0])}"
    if hint in JSON:
        return JSON[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "string: " + ", ".join(f"`{member.value}`" for member in hint)
    assert isinstance(hint, type), hint
    return f"[{PARTS[hint]}](#{PARTS[hint].lower()})"


if __name__ == "__main__":
    sys.stdout.write(page())
