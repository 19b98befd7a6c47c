"""Offline: when no daemon answers, a verb works on the store itself, under the same lock as the daemon."""

from __future__ import annotations

from collections.abc import Mapping

import click

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import note
from claudeflow.cli.places import Places, places_of
from claudeflow.cli.problems import Failure, failure_of_answer
from claudeflow.cli.remote import ANSWER_TIMEOUT_S, Answer, Body, Door, SocketDoor
from claudeflow.domain.errors import DaemonUnreachable


class OfflineDoor:
    """The daemon's own handlers over its store, in this process. Starts nothing and sends nothing."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = ANSWER_TIMEOUT_S,  # noqa: ARG002 (nothing here takes long)
    ) -> Answer:
        """Ask once. Nobody is there to wait for. Raises StoreLocked, ConfigError, PermissionError."""
        from claudeflow.daemon.offline import offline_call

        whole = body if body is None or isinstance(body, bytes) else b"".join(body)
        status, headers, answer = offline_call(
            config_path=self._places.config_if_any,
            store_path=self._places.store(),
            method=method,
            path=path,
            query={key: value for key, value in (query or {}).items() if key != "wait"},
            body=whole,
            content_type=content_type,
        )
        return Answer(status, {name.lower(): value for name, value in headers.items()}, answer)


class EitherDoor:
    """The daemon when it answers, else its store. Says on stderr, once, which of the two it is."""

    def __init__(self, places: Places, offline: Door) -> None:
        self._places = places
        self._offline = offline
        self._door: Door = SocketDoor(places.socket())
        self.is_offline = False
        self._stays_online = False

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """Ask once. Raises DaemonUnreachable when there is no daemon and no store either."""

        def ask() -> Answer:
            return self._door.call(
                method, path, query=query, body=body, content_type=content_type, timeout_s=timeout_s
            )

        if self.is_offline:
            return ask()
        try:
            return ask()
        except DaemonUnreachable as error:
            if self._stays_online:
                raise
            self._go_offline(error)
        return ask()

    def stay_online(self) -> None:
        """From now on only a daemon will do: one that is gone may be restarting, and needs the store."""
        self._stays_online = True

    def _go_offline(self, error: DaemonUnreachable) -> None:
        store = self._places.store()
        if self._places.config_if_any is None and not store.exists():
            raise DaemonUnreachable(f"{error}, and no store at {store}") from error
        note(f"no daemon on {self._places.socket()}; working on the store itself")
        self._door = self._offline
        self.is_offline = True


def either_door(context: click.Context) -> EitherDoor:
    """The door for a verb that works with and without a daemon."""
    places = places_of(context)
    return EitherDoor(places, OfflineDoor(places))


def checked(answer: Answer) -> Answer:
    """The answer, when the daemon did what was asked. Raises Failure."""
    if not answer.ok:
        raise failure_of_answer(answer)
    return answer


def no_daemon_to_finish(job_id: int, state: str) -> Failure:
    """Why waiting makes no sense."""
    return Failure(Exit.UNREACHABLE, f"job {job_id} is {state}, and no daemon runs that could finish it")
