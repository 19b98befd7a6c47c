"""Offline: the front door's answers without a daemon, over the store, under the instance lock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from claudeflow.config import Config, StoreSettings, load_config
from claudeflow.daemon.clock import SystemClock
from claudeflow.daemon.shared import EventStream
from claudeflow.daemon.wiring import parts
from claudeflow.intake.http.app import build_app
from claudeflow.intake.http.door.peers import own_process
from claudeflow.intake.http.inprocess import call
from claudeflow.store.lock import instance_lock

Answer = tuple[int, dict[str, str], bytes]


def offline_call(
    *,
    config_path: Path | None,
    store_path: Path,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes | None,
    content_type: str,
) -> Answer:
    """One request, answered by the daemon's own handlers. Nothing is sent to the API.

    Raises StoreLocked, ConfigError, StoreError, and PermissionError unless the store is ours.
    """
    config = load_config(config_path) if config_path else Config(store=StoreSettings(str(store_path)))
    store = Path(config.store.path)
    _check_owner(store)

    async def answer() -> Answer:
        clock = SystemClock()
        async with parts(config, clock, EventStream(), works=False) as built:
            app = build_app(built.desk, clock.epoch_ms)
            return await call(
                app,
                method,
                path,
                query=query,
                body=body or b"",
                content_type=content_type,
                caller=own_process(),
            )

    with instance_lock(store):
        return asyncio.run(answer())


def _check_owner(store: Path) -> None:
    """Files that another user, root included, leaves beside the store would lock its owner out."""
    place = store if store.exists() else store.parent
    if place.exists() and place.stat().st_uid != os.geteuid():
        owner = place.owner()
        raise PermissionError(
            f"{place} belongs to {owner}: run this as that user (sudo -u {owner} claudeflow …)"
        )
