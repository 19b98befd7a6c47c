"""What a bad model makes of the answer to a pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from claudeflow.twin.chance import Chance
from claudeflow.twin.faults import PackFault
from claudeflow.twin.packs.author import Author, Entry
from claudeflow.twin.packs.invalid import invalid_values

_OUTSIDE_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_ID_CHARS = 4
_SEALS = 1 << 24
_REFUSAL = "I read all of the items, but I cannot answer them in this form. Shall I take them one by one?"


@dataclass(frozen=True, slots=True)
class Scene:
    """One fault among the entries of one answer. `hits` are the places of the entries that it befalls."""

    entries: list[Entry]
    hits: list[int]
    fault: PackFault
    author: Author

    def chance_of(self, entry: Entry) -> Chance:
        """The chance that belongs to the fault and the entry's item."""
        return self.fault.chance(entry.item.id)

    def cycle(self) -> list[tuple[int, int]]:
        """Places and who comes there instead, so that each that is hit gets another.

        One that is hit alone takes a neighbour along, whom chance picks.
        """
        chance, places = self.fault.chance(), list(self.hits)
        others = [place for place in range(len(self.entries)) if place not in places]
        if len(places) == 1 and others:
            places.append(others[chance.below(len(others))])
        for last in range(len(places) - 1, 0, -1):
            other = chance.below(last + 1)
            places[last], places[other] = places[other], places[last]
        return [(place, places[index - 1]) for index, place in enumerate(places)]


def disordered(entries: list[Entry], fault: PackFault, author: Author) -> list[Entry]:
    """The entries after a fault of entries; as they are after one of the text."""
    change = _CHANGES.get(fault.fault.kind)
    if change is None:
        return entries
    hits = [place for place, entry in enumerate(entries) if fault.hits(entry.item.id)]
    return change(Scene(entries, hits, fault, author))


def in_prose(text: str, chance: Chance) -> str:
    """The text as a chatty model gives it: between other words, or not at all."""
    if chance.below(2):
        return _REFUSAL
    return f"Here are the answers to all items.\n\n```json\n{text}\n```\n\nTell me if you need more."


def _drop(scene: Scene) -> list[Entry]:
    return [entry for place, entry in enumerate(scene.entries) if place not in scene.hits]


def _duplicate(scene: Scene) -> list[Entry]:
    entries = list(scene.entries)
    for place in scene.hits:
        entry = scene.entries[place]
        chance = scene.chance_of(entry)
        differs, goes_to = chance.below(2) == 1, chance.below(len(entries) + 1)
        copy = entry.saying(answer=scene.author.wrong(entry.item, chance)) if differs else entry
        entries.insert(goes_to, copy)
    return entries


def _crosslabel(scene: Scene) -> list[Entry]:
    entries = list(scene.entries)
    for place, other in scene.cycle():
        own = scene.entries[place]
        entries[place] = Entry(own.item, {**scene.entries[other].said, "id": own.said["id"]})
    return entries


def _reorder(scene: Scene) -> list[Entry]:
    entries = list(scene.entries)
    for place, other in scene.cycle():
        entries[place] = scene.entries[other]
    return entries


def _each(change: Callable[[Entry, Author, Chance], Entry]) -> Callable[[Scene], list[Entry]]:
    """A change of the entries that are hit, one by one."""

    def changed(scene: Scene) -> list[Entry]:
        entries = list(scene.entries)
        for place in scene.hits:
            entries[place] = change(entries[place], scene.author, scene.chance_of(entries[place]))
        return entries

    return changed


def _unknown(entry: Entry, author: Author, chance: Chance) -> Entry:
    used = {item.id for item in author.pack.items}
    spare = [name for name in author.pack.ids if name not in used]
    if spare and chance.below(2):
        return entry.saying(id=spare[chance.below(len(spare))])
    outside = ""
    while not outside or outside in used or outside in author.pack.ids:
        picks = (chance.below(len(_OUTSIDE_ALPHABET)) for _ in range(_ID_CHARS))
        outside = "".join(_OUTSIDE_ALPHABET[pick] for pick in picks)
    return entry.saying(id=outside)


def _invalid(entry: Entry, author: Author, chance: Chance) -> Entry:
    ways = invalid_values(author.pack.root, author.pack.answer, author.right(entry.item))
    if ways:
        return entry.saying(answer=ways[chance.below(len(ways))])
    # A schema that accepts anything is broken only by no answer at all.
    return Entry(entry.item, {key: value for key, value in entry.said.items() if key != "answer"})


def _seal(entry: Entry, author: Author, chance: Chance) -> Entry:
    if not author.pack.sealed:
        return entry
    wrong = (int(entry.item.seal or "0", 16) + 1 + chance.below(_SEALS - 1)) % _SEALS
    return entry.saying(seal=f"{wrong:06x}")


def _wrong(entry: Entry, author: Author, chance: Chance) -> Entry:
    return entry.saying(answer=author.wrong(entry.item, chance))


_CHANGES: dict[str, Callable[[Scene], list[Entry]]] = {
    "pack_drop": _drop,
    "pack_duplicate": _duplicate,
    "pack_crosslabel": _crosslabel,
    "pack_unknown": _each(_unknown),
    "pack_invalid": _each(_invalid),
    "pack_seal": _each(_seal),
    "pack_reorder": _reorder,
    "wrong_answer": _each(_wrong),
}
