"""Building: the parts that look after batches, handed to each other."""

from __future__ import annotations

from dataclasses import dataclass

from claudeflow.daemon.batches.booking import Booking
from claudeflow.daemon.batches.creating import Creator
from claudeflow.daemon.batches.filling import Filler
from claudeflow.daemon.batches.finding import Finder
from claudeflow.daemon.batches.gathering import Gatherer
from claudeflow.daemon.batches.hindrances import Hindrances
from claudeflow.daemon.batches.lanes import LaneWatch
from claudeflow.daemon.batches.lateness import LateWatch
from claudeflow.daemon.batches.money import BatchMoney
from claudeflow.daemon.batches.outlook import Outlooks
from claudeflow.daemon.batches.reading import Reader
from claudeflow.daemon.batches.releasing import Releaser
from claudeflow.daemon.batches.upload import Uploader
from claudeflow.daemon.batches.warmth import Warmth
from claudeflow.daemon.batches.watching import Watcher
from claudeflow.daemon.calls.holds import Floor, HoldKeeper
from claudeflow.daemon.calls.requests import Requests
from claudeflow.daemon.shared import Shared


@dataclass(frozen=True, slots=True)
class Team:
    """Whoever has a part in batches."""

    money: BatchMoney
    outlooks: Outlooks
    warmth: Warmth
    releaser: Releaser
    gatherer: Gatherer
    finder: Finder
    creator: Creator
    reader: Reader
    watcher: Watcher
    late: LateWatch
    lanes: LaneWatch


def team_of(shared: Shared, requests: Requests, holds: HoldKeeper, floor: Floor) -> Team:
    """All of them, at work for one keeper."""
    money, outlooks, warmth = BatchMoney(shared), Outlooks(shared), Warmth(shared, requests)
    releaser, booking = Releaser(shared, money, floor), Booking(shared, holds, money, floor)
    filler, hindrances = Filler(shared, money, outlooks), Hindrances(shared, releaser, outlooks)
    uploader, finder = Uploader(shared, requests, booking, releaser), Finder(shared)
    reader = Reader(shared, requests, booking, warmth)
    return Team(
        money=money,
        outlooks=outlooks,
        warmth=warmth,
        releaser=releaser,
        gatherer=Gatherer(shared, warmth, filler, hindrances, outlooks),
        finder=finder,
        creator=Creator(shared, holds, uploader, releaser, finder),
        reader=reader,
        watcher=Watcher(shared, warmth, reader),
        late=LateWatch(shared, releaser),
        lanes=LaneWatch(shared, floor),
    )
