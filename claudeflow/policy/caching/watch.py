"""Cache watch: the cached share of each workflow's input, and when it falls or cannot hold.

A *fall* is looked for after a change only: the first call with a prompt version (for whole
requests: a first part of the prefix) that the workflow has not used before. A changed prefix must
be written once, and so must one that nobody has used for a while: such calls do not count against
the change. Both the share and the mean of the calls' own shares must fall, since one long document
lowers the first alone.

*Churn* is a first part of the prefix that is new in nearly every call: nothing is ever read.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TypeVar

from claudeflow.policy.caching.share import WINDOW_CALLS, Cause, Level, Reading, Share, Window, cause_of

K = TypeVar("K")
V = TypeVar("V")

ENOUGH_CALLS = 20
"""So many calls before and after a change are compared."""
CHURN_CALLS = 50
MOST_REWARMS = 20
"""So many first calls of prefixes are excused after a change; more of them are what is wrong."""
IDLE_MS = 300_000
"""The shortest TTL: what nobody has used for longer may have to be written again."""
CHURNING = 0.8
CALM = 0.5
VERSIONS_KEPT = 8
"""Of so many versions of a prompt the share is known; the one not used for longest is forgotten first."""
PREFIXES_KNOWN = 500
"""So many prefixes are known not to be new."""
WORKFLOWS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Fall:
    """The cached share fell with a change from one version to another."""

    workflow: str
    prompt_name: str | None
    from_version: str | None
    version: str | None
    before: float
    after: float
    calls: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Churn:
    """Of the last `calls` calls, `new_prefixes` had a prefix that had never been there before."""

    workflow: str
    prompt_name: str | None
    new_prefixes: int
    calls: int


@dataclass(slots=True)
class _Change:
    from_version: str | None
    before: Level
    versions: set[str | None]
    latest: str | None
    after: Window = field(default_factory=Window)
    rewarmed: set[str | None] = field(default_factory=set)
    wrote: bool = False


class _Line:
    """The calls of a workflow with one prompt, or with whole requests."""

    def __init__(self, workflow: str, prompt_name: str | None) -> None:
        self._workflow = workflow
        self._prompt_name = prompt_name
        self._all = Window()
        self._versions: OrderedDict[str | None, Window] = OrderedDict()
        self._used_ms: OrderedDict[str | None, int] = OrderedDict()
        self._last_version: str | None = None
        self._change: _Change | None = None
        self._news: deque[bool] = deque(maxlen=CHURN_CALLS)
        self._churns = False

    def note(self, reading: Reading) -> list[Fall | Churn]:
        is_new = reading.version not in self._used_ms
        if is_new:
            self._change_begins(reading)
        found = [self._fall(reading), self._churn(reading, is_new=is_new)]
        self._remember(reading)
        return [event for event in found if event is not None]

    def shares(self) -> list[Share]:
        """Of the versions used last, the newest first."""
        newest = reversed(self._versions.items())
        return [window.as_share(self._workflow, self._prompt_name, name) for name, window in newest]

    def _change_begins(self, reading: Reading) -> None:
        """A version that was not there before: compare with what was, once there is enough of both."""
        change = self._change
        if change is not None and change.after.calls < ENOUGH_CALLS:
            change.versions.add(reading.version)
            change.latest = reading.version
        elif self._all.calls >= ENOUGH_CALLS:
            self._change = _Change(self._last_version, self._all.level, {reading.version}, reading.version)

    def _fall(self, reading: Reading) -> Fall | None:
        change = self._change
        if change is None or not self._counts(change, reading):
            return None
        change.after.add(reading)
        after = change.after.level
        if change.after.calls >= ENOUGH_CALLS and after.is_far_below(change.before):
            self._change, self._all = None, Window()
            return Fall(
                self._workflow,
                self._prompt_name,
                change.from_version,
                change.latest,
                change.before.share,
                after.share,
                change.after.calls,
                cause_of(change.before, after, wrote=change.wrote),
            )
        if change.after.calls == WINDOW_CALLS:
            self._change = None
        return None

    def _counts(self, change: _Change, reading: Reading) -> bool:
        """Whether a call tells of the change: jobs of the old prompt and rewarms do not."""
        if self._prompt_name is not None and reading.version not in change.versions:
            return False
        change.wrote = change.wrote or reading.write_tokens > 0
        if reading.prefix is None or reading.read_tokens > 0:
            return True
        if reading.prefix not in change.rewarmed and len(change.rewarmed) < MOST_REWARMS:
            change.rewarmed.add(reading.prefix)
            return False
        return not self._was_idle(reading)

    def _was_idle(self, reading: Reading) -> bool:
        used_ms = self._used_ms.get(reading.version)
        return used_ms is not None and reading.at_ms - used_ms > IDLE_MS

    def _churn(self, reading: Reading, *, is_new: bool) -> Churn | None:
        if reading.version is None:
            return None
        self._news.append(is_new)
        share = sum(self._news) / CHURN_CALLS
        if self._churns and share <= CALM:
            self._churns = False
        elif not self._churns and share >= CHURNING:
            self._churns = True
            return Churn(self._workflow, self._prompt_name, sum(self._news), len(self._news))
        return None

    def _remember(self, reading: Reading) -> None:
        self._all.add(reading)
        self._last_version = reading.version
        _touch(
            self._versions, reading.version, self._versions.get(reading.version) or Window(), VERSIONS_KEPT
        )
        self._versions[reading.version].add(reading)
        _touch(self._used_ms, reading.version, reading.at_ms, PREFIXES_KNOWN)


class CacheWatch:
    """The calls of all workflows. The workflow that has been silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._workflows: OrderedDict[str, Window] = OrderedDict()
        self._lines: dict[str, dict[str | None, _Line]] = {}

    def note(self, reading: Reading) -> list[Fall | Churn]:
        """Take in a call that came back with its usage; what it shows that somebody should know."""
        if not reading.prompt_tokens:
            return []
        window = self._workflows.get(reading.workflow) or Window()
        window.add(reading)
        forgotten = _touch(self._workflows, reading.workflow, window, WORKFLOWS_KEPT)
        if forgotten is not None:
            self._lines.pop(forgotten, None)
        lines = self._lines.setdefault(reading.workflow, {})
        line = lines.get(reading.prompt_name)
        if line is None:
            line = lines[reading.prompt_name] = _Line(reading.workflow, reading.prompt_name)
        return line.note(reading)

    def shares(self) -> tuple[tuple[Share, tuple[Share, ...]], ...]:
        """Each workflow's share by its name, with those of the versions that it used last."""
        return tuple(
            (
                window.as_share(name, None, None),
                tuple(share for line in self._lines[name].values() for share in line.shares()),
            )
            for name, window in sorted(self._workflows.items())
        )


def _touch(known: OrderedDict[K, V], key: K, value: V, most: int) -> K | None:
    """Make an entry the newest; what is forgotten for it."""
    known[key] = value
    known.move_to_end(key)
    return known.popitem(last=False)[0] if len(known) > most else None
