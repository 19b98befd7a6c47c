"""Who answers the items of a pack: rightly, or in another way that their schema accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claudeflow.twin.chance import Chance
from claudeflow.twin.models import Model
from claudeflow.twin.packs.frames import Item, Pack
from claudeflow.twin.schema_walk import SchemaWalk, structured

# A wrong answer is the most different of so many; two booleans are then equal once in four billion times.
_TRIES = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the answer, and the item for which it was made."""

    item: Item
    said: dict[str, Any]

    def saying(self, **changes: Any) -> Entry:
        """The entry with other values under some of its keys."""
        return Entry(self.item, {**self.said, **changes})


class Author:
    """Answers the items of one pack with the seed and the model of its request."""

    def __init__(self, pack: Pack, seed: int, model: Model) -> None:
        self.pack = pack
        self._seed = seed
        self._model = model

    def entries(self) -> list[Entry]:
        """The good answer: an entry for each item, in the order of the frames."""
        return [self._entry(item) for item in self.pack.items]

    def right(self, item: Item) -> Any:
        """What the item's text gets when it is asked alone."""
        return structured(self.pack.root, self.pack.answer, item.text, self._seed, self._model)

    def wrong(self, item: Item, chance: Chance) -> Any:
        """An answer that the schema accepts, different in as many keys as can be.

        It is the right one only where the schema leaves no choice.
        """
        right, worst, most = self.right(item), None, -1
        walk = SchemaWalk(self.pack.root, chance, item.text)
        for _ in range(_TRIES):
            other = walk.value(self.pack.answer)
            differing, of = _unlike(other, right)
            if differing > most:
                worst, most = other, differing
            if differing == of:
                break
        return worst

    def _entry(self, item: Item) -> Entry:
        said = {"id": item.id, "answer": self.right(item)}
        return Entry(item, {**said, "seal": item.seal} if self.pack.sealed else said)


def _unlike(other: Any, right: Any) -> tuple[int, int]:
    """In how many of its keys one answer differs from another, and how many there are."""
    if isinstance(other, dict) and isinstance(right, dict) and right:
        return sum(other.get(key) != value for key, value in right.items()), len(right)
    return int(other != right), 1
