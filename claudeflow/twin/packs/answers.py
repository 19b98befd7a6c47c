"""What the model says to a pack: an entry for each item, and then whatever faults make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from claudeflow.twin.faults import PackFault
from claudeflow.twin.models import Model
from claudeflow.twin.packs.author import Author
from claudeflow.twin.packs.frames import Pack
from claudeflow.twin.packs.mischief import disordered, in_prose


@dataclass(frozen=True, slots=True)
class Said:
    """The text of an answer. `cut` says that it ended for want of output tokens."""

    text: str
    cut: bool = False


def said_of_pack(pack: Pack, seed: int, model: Model, faults: Sequence[PackFault]) -> Said:
    """The answer to a pack. Faults of entries come in the order of the script, then those of the text."""
    author = Author(pack, seed, model)
    entries = author.entries()
    for fault in faults:
        entries = disordered(entries, fault, author)
    text = orjson.dumps({"items": [entry.said for entry in entries]}).decode()
    for fault in faults:
        if fault.fault.kind == "pack_prose":
            text = in_prose(text, fault.chance())
    shares = [fault.fault.after_share for fault in faults if fault.fault.kind == "pack_truncate"]
    return Said(text[: int(len(text) * min(shares))], cut=True) if shares else Said(text)
