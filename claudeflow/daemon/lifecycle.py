"""Lifecycle: start order, signals, reload, drain.

Start: configuration → instance lock → store and recovery → socket (jobs are accepted from here on)
→ the SDK, which takes a second or two to import → work. Stop: no more claims, calls finish within
the grace period, the rest goes back to the queue, then the socket closes. A second signal ends the
grace period at once.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import uvloop

from claudeflow.config import (
    KEY_CREDENTIAL,
    KEY_VARIABLE,
    Config,
    FoundKey,
    find_key,
    load_config,
    load_prices,
)
from claudeflow.daemon.access.grants import build_grants
from claudeflow.daemon.catalog import build_catalog
from claudeflow.daemon.clock import SystemClock
from claudeflow.daemon.files import SPARE_FILES, connections_that_fit, make_room
from claudeflow.daemon.garbage import GarbageKeeper
from claudeflow.daemon.keys import KeyRing
from claudeflow.daemon.mailboxes.admission import Admission
from claudeflow.daemon.mailboxes.keeper import MailboxKeeper
from claudeflow.daemon.notify import Notifier, listen_fds
from claudeflow.daemon.prompt_keeper import PromptKeeper
from claudeflow.daemon.reconcile import open_reports
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.watchdog import Watchdog
from claudeflow.daemon.wiring import Parts, parts
from claudeflow.domain.door_events import DoorOpened
from claudeflow.domain.errors import ConfigError, Mistake
from claudeflow.domain.events import ConfigRefused, ConfigReloaded, DaemonReady, OwnTrouble
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.hosts import LOOPBACK
from claudeflow.intake.http.door.listener import ListenerSettings, listen
from claudeflow.intake.http.door.peers import forget_names
from claudeflow.intake.http.door.rules import Door
from claudeflow.intake.http.door.server import serve
from claudeflow.intake.http.door.tcp import listen_on, read_address
from claudeflow.intake.http.room import BodyRoom
from claudeflow.observe.journal import Journal
from claudeflow.store.lock import instance_lock

SYSTEMD_SOCKET = "api"

LOCK_PATIENCE_S = 3.0
"""How long a starting daemon waits for a command that works on the store itself."""


def run_daemon(config_path: Path) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises ConfigError, StoreError."""
    config = load_config(config_path)
    key = find_key(config.api.key_file)
    if key is None:
        places = f"set the credential {KEY_CREDENTIAL}, {KEY_VARIABLE}, or the file of `[api] key_file`"
        raise ConfigError(str(config_path), [Mistake("API key", f"none found: {places}")])
    with (
        instance_lock(Path(config.store.path), LOCK_PATIENCE_S),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_Daemon(config_path, config, key).run())
    return 0


@dataclass(slots=True)
class _Daemon:
    config_path: Path
    config: Config
    key: FoundKey
    clock: SystemClock = field(default_factory=SystemClock)
    events: EventStream = field(default_factory=EventStream)
    notifier: Notifier = field(default_factory=Notifier.from_environ)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        self.events.listen(Journal(self.config.log, self.clock.epoch_ms).apply)
        self._catch_signals()
        async with parts(self.config, self.clock, self.events) as built:
            closed = asyncio.Event()
            async with AsyncExitStack() as stack:
                listener = self._listener(stack)
                room = BodyRoom(self.config.http.max_body_bytes_in_memory)
                tcp, hosts = self._tcp()
                app = build_app(built.desk, self.clock.epoch_ms, self._tell_trouble, room, hosts)
                door = self._door()
                async with asyncio.TaskGroup() as front:
                    for sock in (listener, *tcp):
                        front.create_task(serve(app, sock, closed, door), name="socket")
                    await self._work(built, front)
                    closed.set()

    async def _work(self, built: Parts, front: asyncio.TaskGroup) -> None:
        client_module = await asyncio.to_thread(importlib.import_module, "claudeflow.claude.client")
        keys = KeyRing(self.key, partial(find_key, self.config.api.key_file), self.events.emit)
        built.keeper.use(keys)
        sender = client_module.ClaudeClient(self.config.api, keys.key)
        batch_module = await asyncio.to_thread(importlib.import_module, "claudeflow.claude.batches")
        batch_sender = batch_module.BatchClient(self.config.api, keys.key)
        admin_module = await asyncio.to_thread(importlib.import_module, "claudeflow.claude.admin")
        built.desk.reconciliation.use(partial(open_reports, admin_module.AdminClient))
        enquiry_module = await asyncio.to_thread(importlib.import_module, "claudeflow.claude.enquiries")
        enquiry_sender = enquiry_module.EnquiryClient(self.config.api, keys.key)
        built.desk.messages.use(enquiry_sender)
        worker = built.worker(sender, batch_sender)
        garbage = GarbageKeeper(lambda: worker.running == 0, self.clock.monotonic())
        garbage.take_over()
        reloading = front.create_task(self._reload_on_request(built), name="reload")
        watching = front.create_task(Watchdog(self.notifier, built, garbage).run(), name="watchdog")
        prompts = PromptKeeper(built.shared, built.shelf)
        keeping = front.create_task(prompts.run(), name="prompts")
        mailboxes = self._mailboxes(built)
        serving = front.create_task(mailboxes.run(), name="mailboxes")
        found = built.recovered
        self.events.emit(DaemonReady(built.shared.instance, found.requeued, found.unknown_calls))
        self.notifier.ready("working")
        await built.engine.run(worker, self.stop, self.hurry)
        for task in (reloading, watching, keeping, serving):
            task.cancel()
        await sender.aclose()
        await batch_sender.aclose()
        await enquiry_sender.aclose()

    def _mailboxes(self, built: Parts) -> MailboxKeeper:
        admission = Admission(
            built.shared, built.desk.submitter, built.desk.access, lambda: built.shelf.catalog
        )
        keeper = MailboxKeeper(built.shared, admission)
        self.events.listen(keeper.owed.apply)
        built.desk.mailboxes.use(keeper)
        return keeper

    def _door(self) -> Door:
        """The door, with no more connections than the process may open files."""
        wanted = self.config.http.max_connections
        calls = self.config.limiter.ceiling.maximum
        open_files = make_room(wanted + calls + SPARE_FILES)
        connections = connections_that_fit(open_files, wanted, calls)
        self.events.emit(DoorOpened(connections, wanted, open_files))
        return Door(replace(self.config.http, max_connections=connections), self.events.emit)

    def _tcp(self) -> tuple[list[socket.socket], frozenset[str]]:
        """The TCP socket, if one is configured, and the names that requests over TCP may come by."""
        wanted = self.config.http
        if not wanted.tcp:
            return [], LOOPBACK
        address = read_address(wanted.tcp)
        hosts = LOOPBACK | {address.name, *(name.lower() for name in wanted.tcp_hosts)}
        return [listen_on(address)], hosts

    def _listener(self, stack: AsyncExitStack) -> socket.socket:
        """systemd's socket when it passed one, else our own."""
        passed = listen_fds()
        if passed:
            return passed.get(SYSTEMD_SOCKET) or next(iter(passed.values()))
        wanted = self.config.socket
        settings = ListenerSettings(Path(wanted.path), int(wanted.mode, 8), wanted.group or None)
        listener = listen(settings)
        stack.callback(listener.close)
        return listener.sock

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)

    def _asked_to_stop(self) -> None:
        if self.stop.is_set():
            self.hurry.set()
        else:
            self.notifier.stopping()
            self.stop.set()

    async def _reload_on_request(self, built: Parts) -> None:
        while True:
            await self.reload.wait()
            self.reload.clear()
            self.notifier.reloading()
            self._reload(built)
            await built.keeper.take_up_key()
            self.notifier.ready("working")

    def _reload(self, built: Parts) -> None:
        """Take up a new configuration, or keep the old one when it is wrong."""
        source = str(self.config_path)
        try:
            config = load_config(self.config_path)
            _check_reloadable(self.config, config, source)
            prices = load_prices(config.prices)
            catalog = build_catalog(config, prices)
            grants = build_grants(config.access)
        except ConfigError as problem:
            self.events.emit(ConfigRefused(source, str(problem)))
            return
        self.config = built.shared.config = config
        built.shared.prices = prices
        built.shelf.put_up(catalog)
        forget_names()
        built.desk.access.reconfigure(grants)
        built.engine.reconfigure()
        self.events.emit(ConfigReloaded(source))

    def _tell_trouble(self, problem: Exception) -> None:
        self.events.emit(OwnTrouble("answering a request", type(problem).__name__))


def _check_reloadable(old: Config, new: Config, source: str) -> None:
    """What a running daemon cannot change. Raises ConfigError naming each."""
    fixed = ("store", "socket", "http", "mailboxes", "api", "log", "limits", "pools", "limiter")
    mistakes = [
        Mistake(name, "cannot change while the daemon runs: restart it instead")
        for name in fixed
        if getattr(old, name) != getattr(new, name)
    ]
    if mistakes:
        raise ConfigError(source, mistakes)
