"""Reconciler: compares the books with the provider's reports, on request and once in a while by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from claudeflow.claude.settings import ClaudeSettings
from claudeflow.config import ADMIN_KEY_CREDENTIAL, ADMIN_KEY_VARIABLE, Config, FoundKey, find_admin_key
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import ConfigError, IntakeError
from claudeflow.domain.events import BooksCompared, BooksDrifted, OwnTrouble
from claudeflow.domain.reconciliation import (
    DAY_MS,
    HOUR_MS,
    BillingReport,
    Reconciliation,
    ReportProblem,
)
from claudeflow.intake.desks.reconcile import (
    NoAdminKey,
    NoReport,
    NothingCompared,
    day_of,
    reconciliation_to_json,
)
from claudeflow.policy.money.pricing import WEB_SEARCH_NANOUSD
from claudeflow.policy.money.reconcile import FRESH_MS, LONGEST_CALL_MS, SKEW_MS, Window, reconcile, window_of
from claudeflow.store import reconciliation as store_books
from claudeflow.store import state as store_state

LOOK_EVERY_S = 3_600.0
USUAL_DAYS = 7
HOURS_A_DAY = 24
MEMORY = "reconciliation"

FindKey = Callable[[str], FoundKey | None]

NO_KEY = (
    f"there is no admin key: put one (sk-ant-admin…) into the credential {ADMIN_KEY_CREDENTIAL}, "
    f"into {ADMIN_KEY_VARIABLE} of the daemon, or into the file of `[admin] key_file`; "
    "an admin of the organisation makes it in the Claude Console"
)
NOBODY_WORKS = "no daemon runs: only a running daemon asks for reports"


class Reports(Protocol):
    """Where reports come from."""

    async def report(self, since_ms: int, until_ms: int) -> BillingReport | ReportProblem:
        """What the provider says about a window in whole hours."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


OpenReports = Callable[[Config, str], Reports]
"""Opens the reports with an admin key."""


class NewReports(Protocol):
    """Makes a client for the reports."""

    def __call__(
        self, settings: ClaudeSettings, admin_key: str, *, api_key_id: str, workspace_id: str
    ) -> Reports:
        """One client, to be closed after use."""
        ...


def open_reports(new: NewReports, config: Config, admin_key: str) -> Reports:
    """The reports as the configuration narrows them."""
    admin = config.admin
    return new(config.api, admin_key, api_key_id=admin.api_key_id, workspace_id=admin.workspace_id)


@dataclass(frozen=True, slots=True)
class _Source:
    open: OpenReports
    find_key: FindKey


class Reconciler:
    """A `ReconcileDesk`, and a duty of the daemon. It never changes the books."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._source: _Source | None = None
        self._one_at_a_time = asyncio.Lock()
        self._problem = ""
        self.needed = asyncio.Event()

    def use(self, open_reports: OpenReports, find_key: FindKey = find_admin_key) -> None:
        """From now on there is somebody to ask."""
        self._source = _Source(open_reports, find_key)
        self.needed.set()

    async def look(self) -> None:
        """Compare what is due: everything since the last time, every `reconcile_every_h` hours."""
        every_h, now_ms = self._shared.config.admin.reconcile_every_h, self._shared.clock.epoch_ms()
        remembered = await self._remembered()
        since_ms = remembered.get("done_until_ms")
        too_early = since_ms is not None and now_ms - since_ms < every_h * HOUR_MS
        if not every_h or too_early:
            return
        # The legacy cost report knows whole days only.
        until_ms = (now_ms - FRESH_MS) // DAY_MS * DAY_MS if every_h >= HOURS_A_DAY else now_ms
        try:
            found = await self._compared(since_ms, until_ms)
        except (NoAdminKey, NothingCompared):
            return
        except IntakeError as problem:
            self._tell(str(problem))
            return
        self._problem = ""
        await self._remember(found, done_until_ms=found.until_ms)
        self._emit(found)

    async def compare(self, since_ms: int | None, until_ms: int | None) -> dict[str, Any]:
        """Ask the provider now, and tell of every drift. Raises NoAdminKey, NoReport, NothingCompared."""
        found = await self._compared(since_ms, until_ms)
        remembered = await self._remembered()
        await self._remember(found, done_until_ms=remembered.get("done_until_ms"))
        self._emit(found)
        return reconciliation_to_json(found, self._shared.clock.epoch_ms())

    async def last(self) -> dict[str, Any]:
        """The last comparison. Raises NothingCompared."""
        found: dict[str, Any] | None = (await self._remembered()).get("last")
        if found is None:
            raise NothingCompared("nothing has been compared yet; claudeflow reconcile does it now")
        return found

    async def _compared(self, since_ms: int | None, until_ms: int | None) -> Reconciliation:
        async with self._one_at_a_time, AsyncExitStack() as stack:
            reports = self._opened()
            stack.push_async_callback(reports.aclose)
            window = await self._window(since_ms, until_ms)
            report = await self._report(reports, window)
            if report.complete_until_ms < window.until_ms:
                window = Window(window.since_ms, report.complete_until_ms // HOUR_MS * HOUR_MS)
                report = await self._report(reports, window)
            read = partial(
                store_books.books_of,
                since_ms=window.since_ms,
                until_ms=window.until_ms,
                lookback_ms=LONGEST_CALL_MS,
                skew_ms=SKEW_MS,
                search_nanousd=WEB_SEARCH_NANOUSD,
            )
            books = await self._shared.store.read(read)
            return reconcile(books, report, window, self._shared.config.admin.tolerance)

    def _opened(self) -> Reports:
        source, config = self._source, self._shared.config
        if source is None:
            raise NoReport(NOBODY_WORKS)
        try:
            found = source.find_key(config.admin.key_file)
        except ConfigError as problem:
            mistakes = "; ".join(str(mistake) for mistake in problem.mistakes)
            raise NoAdminKey(f"{problem.source}: {mistakes}") from problem
        if found is None:
            raise NoAdminKey(NO_KEY)
        return source.open(config, found.key)

    async def _window(self, since_ms: int | None, until_ms: int | None) -> Window:
        """What was asked for; otherwise the last days, from the first call on."""
        now_ms = self._shared.clock.epoch_ms()
        first_ms = await self._shared.store.read(store_books.first_call_ms)
        if since_ms is None:
            earliest_ms = now_ms if first_ms is None else first_ms // DAY_MS * DAY_MS
            since_ms = max(earliest_ms, (until_ms or now_ms) - USUAL_DAYS * DAY_MS)
        return window_of(since_ms, now_ms if until_ms is None else until_ms, now_ms)

    async def _report(self, reports: Reports, window: Window) -> BillingReport:
        if window.is_empty:
            text = (
                "nothing to compare yet: no whole hour; reports come late, and the last one or so is left out"
            )
            raise NothingCompared(text)
        report = await reports.report(window.since_ms, window.until_ms)
        if isinstance(report, ReportProblem):
            raise NoReport(report.message)
        return report

    def _emit(self, found: Reconciliation) -> None:
        drifted = [(cell, drift) for cell in found.cells for drift in cell.drifts]
        self._shared.emit(BooksCompared(found.since_ms, found.until_ms, len(found.cells), len(drifted)))
        for compared, drift in drifted:
            cell = compared.cell
            ours: int = getattr(compared.ours, drift.kind)
            day = day_of(cell.day_ms)
            self._shared.emit(
                BooksDrifted(day, cell.model, cell.service_tier, drift.kind, ours, drift.theirs)
            )

    def _tell(self, problem: str) -> None:
        """Say what is wrong, once."""
        if problem != self._problem:
            self._problem = problem
            self._shared.emit(OwnTrouble("comparing the books with the report", problem))

    async def _remembered(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self._shared.store.read(store_state.recall)).get(MEMORY, {})
        return found

    async def _remember(self, found: Reconciliation, done_until_ms: int | None) -> None:
        now_ms = self._shared.clock.epoch_ms()
        value = {"done_until_ms": done_until_ms, "last": reconciliation_to_json(found, now_ms)}
        work = partial(store_state.remember, name=MEMORY, value=value, now_ms=now_ms)
        await self._shared.store.write(work)
