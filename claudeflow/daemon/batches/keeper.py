"""The keeper of batches: one loop that fills them, creates them, watches them and books what they bring.

Each step is written before the next begins, so a daemon that dies anywhere is followed by one that goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from claudeflow.daemon.batches.building import Team, team_of
from claudeflow.daemon.batches.outlook import Kind, Outlook
from claudeflow.daemon.batches.releasing import UNSENT
from claudeflow.daemon.batches.sender import BatchPace, BatchSender
from claudeflow.daemon.calls.holds import Floor, HoldKeeper
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.shared import Shared
from claudeflow.domain.batch import BatchState
from claudeflow.domain.errors import StoreError
from claudeflow.domain.events import OwnTrouble
from claudeflow.store import batches
from claudeflow.store.batches import BatchRecord

UNFINISHED = (BatchState.CREATING, BatchState.IN_PROGRESS, BatchState.CANCELING)

LONGEST_REST_S = 60.0
"""The host's clock may be set: while there are batches it is looked at this often."""

TROUBLE_PAUSE_S = 5.0

LONGEST_PAUSE_S = 3_600.0

MOST_REST_S = 1.0
"""After a step it rests as long as that took, but no longer: a flood of jobs must not keep it at work."""


class BatchKeeper:
    """One per daemon. `run` ends once `stop` was called and what was begun is written."""

    def __init__(self, shared: Shared, requests: Requests, holds: HoldKeeper, floor: Floor) -> None:
        """`floor` is told of jobs that go by themselves from now on, or no more."""
        self.shared = shared
        self._team: Team = team_of(shared, requests, holds, floor)
        self.money = self._team.money
        self._pace = BatchPace(shared)
        self._sender: BatchSender | None = None
        self._changed = asyncio.Event()
        self._stopping = False
        self._stumbles: dict[int, tuple[int, int]] = {}
        self.steps = 0
        """How often it has looked at everything."""
        shared.budgets.on_room(self._room_in_budgets)

    def use(self, sender: BatchSender) -> None:
        """Ask the API through this one."""
        self._sender = sender

    def wake(self) -> None:
        """A job waits for a batch, or somebody wants one stopped: look."""
        self._changed.set()

    def reconfigure(self) -> None:
        """The shared configuration has changed: jobs that wait follow their lanes."""
        self._team.lanes.reconfigure()
        self.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._team.reader.stop()
        self.wake()

    def outlook(self, kind: Kind) -> Outlook:
        """What a job that waits for a batch waits for."""
        return self._team.outlooks.of(kind)

    def on_pause(self, told: Callable[[], None]) -> None:
        """Tell somebody when the API wanted to be left alone: `memory` must not be lost then."""
        self._pace.on_pause(told)

    def memory(self) -> object:
        """What is worth keeping over a restart, as plain JSON values."""
        return self._pace.memory()

    def recall(self, memory: object) -> None:
        """Take up what an earlier process had learned."""
        self._pace.recall(memory)

    async def run(self) -> None:
        """Look after batches until stopped."""
        if self._sender is None:
            return
        while not self._stopping:
            self._changed.clear()
            began = self.shared.clock.monotonic()
            try:
                again_ms = await self._step(self._sender)
            except StoreError as problem:
                again_ms = self._trouble(str(problem))
            except Exception as problem:  # noqa: BLE001 - a fault of ours must not end the daemon
                again_ms = self._trouble(type(problem).__name__)
            await self._rest(again_ms, self.shared.clock.monotonic() - began)

    def _trouble(self, problem: str, times: int = 0) -> int:
        self.shared.emit(OwnTrouble("looking after batches", problem))
        pause_s = min(LONGEST_PAUSE_S, TROUBLE_PAUSE_S * (1 << min(times, 20)))
        return self.shared.clock.epoch_ms() + round(1000 * pause_s)

    def _room_in_budgets(self) -> None:
        if self._team.outlooks.waits_for_money:
            self.wake()

    async def _rest(self, again_ms: int | None, took_s: float) -> None:
        """Until then, until something happens, or with nothing to look after until something does."""
        if self._stopping:
            return
        delay_s = None
        if again_ms is not None:
            left_s = (again_ms - self.shared.clock.epoch_ms()) / 1000
            delay_s = min(max(left_s, 0.0), LONGEST_REST_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._changed.wait()
        if self._changed.is_set() and not self._stopping:
            await asyncio.sleep(min(took_s, MOST_REST_S))

    async def _step(self, sender: BatchSender) -> int | None:
        """Do what is due; when something is due again (epoch ms), None: when something happens."""
        self.steps += 1
        store, team = self.shared.store, self._team
        await team.lanes.look()
        await team.warmth.begin()
        moments = []
        for record in await store.read(batches.open_batches):
            if self._stopping:
                return None
            moments.append(await self._try_to_look_at(record, sender))
        # Only now: answers that have come are better than calls that are made for want of them.
        known = await store.read(batches.open_batches)
        moments.append(await team.late.look(known, may_read=self._pace.wait_s() == 0))
        if not self._stopping:
            moments.append(await self._gather(known))
        return min((moment for moment in moments if moment is not None), default=None)

    async def _try_to_look_at(self, record: BatchRecord, sender: BatchSender) -> int | None:
        """A batch at which we stumble must not stop the others, and is left alone for longer and longer."""
        times, due_ms = self._stumbles.get(record.id, (0, 0))
        if self.shared.clock.epoch_ms() < due_ms:
            return due_ms
        try:
            again_ms = await self._look_at(record, sender)
        except StoreError:
            raise
        except Exception as problem:  # noqa: BLE001 - see above
            due_ms = self._trouble(f"batch {record.id}: {type(problem).__name__}", times)
            self._stumbles[record.id] = (times + 1, due_ms)
            return due_ms
        self._stumbles.pop(record.id, None)
        return again_ms

    async def _look_at(self, record: BatchRecord, sender: BatchSender) -> int | None:
        team, pace, now_ms = self._team, self._pace, self.shared.clock.epoch_ms()
        if record.cancel_by is not None and record.state in UNSENT:
            await team.releaser.release(record, batched=False, returned=True)
            return now_ms
        if record.state is BatchState.FILLING:
            # Nobody fills it: that broke off.
            await team.releaser.release(record, batched=True, returned=False)
            return now_ms
        wait_s = pace.wait_s()
        if wait_s > 0:
            return now_ms + round(1000 * wait_s) + 1
        match record.state:
            case BatchState.READY:
                again_ms = await team.creator.create(record, sender, pace)
            case BatchState.CREATING:
                again_ms = await team.creator.look_for(record, sender, pace)
            case BatchState.ENDED:
                return await team.watcher.read(record, sender, pace)
            case _:
                return await team.watcher.look(record, sender, pace)
        return now_ms if again_ms is None else again_ms

    async def _gather(self, known: Iterable[BatchRecord]) -> int | None:
        """Make the next batch ready, unless one is on its way out."""
        leaving = next((record for record in known if self._is_leaving(record)), None)
        if leaving is not None:
            state = (
                "was sent, and is looked for" if leaving.attempted_ms is not None else "has to leave first"
            )
            self._team.outlooks.tell(Outlook(f"batch {leaving.id} {state}", None))
            return None
        if self._team.lanes.is_due:
            return self.shared.clock.epoch_ms()
        unfinished = sum(record.requests for record in known if record.state in UNFINISHED)
        ready = await self._team.gatherer.gather(self._pace.room(unfinished))
        return self._team.gatherer.next_ms if ready is None else self.shared.clock.epoch_ms()

    def _is_leaving(self, record: BatchRecord) -> bool:
        if record.state is BatchState.CREATING:
            return not self._team.finder.has_suspect(record)
        return record.state in UNSENT
