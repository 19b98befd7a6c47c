"""Reading a packed request: the items that stand in frames, and the schema of their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# A frame's lines carry the request's nonce. Lines of this form with another one are an item's own text.
_LINE = re.compile(
    r"^<<(?:item (?P<begun>[a-z0-9]{4}) (?P<nonce>[0-9a-f]{12})"
    r"|end (?P<ended>[a-z0-9]{4}) (?P<end_nonce>[0-9a-f]{12})(?: seal (?P<seal>[0-9a-f]{6}))?)>>$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One item as it stands in its frame; `seal` is "" when the frame has none."""

    id: str
    seal: str
    text: str


@dataclass(frozen=True, slots=True)
class Pack:
    """The items of one request. `ids` are those that an entry may have, `answer` is the schema of one answer.

    `root` is the request's whole schema, in which references of `answer` are found. `sealed` says
    whether entries repeat the seal.
    """

    items: tuple[Item, ...]
    ids: tuple[str, ...]
    root: dict[str, Any]
    answer: Any
    sealed: bool


def read_pack(schema: dict[str, Any], text: str) -> Pack | None:
    """The pack that a request with this schema and this last user turn is; None if it is none."""
    entry = _entry_of(schema)
    if entry is None:
        return None
    items = _items(text)
    if not items:
        return None
    ids = tuple(entry["id"]["enum"])
    return Pack(items, ids, schema, entry["answer"], "seal" in entry)


def _entry_of(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The properties of one entry, if the schema is that of a pack."""
    node: Any = schema
    for step in ("properties", "items", "items", "properties"):
        node = node.get(step) if isinstance(node, dict) else None
    if not isinstance(node, dict) or "answer" not in node:
        return None
    return node if isinstance(node.get("id"), dict) and node["id"].get("enum") else None


def _items(text: str) -> tuple[Item, ...]:
    items: list[Item] = []
    nonce: str | None = None
    begun: re.Match[str] | None = None
    for line in _LINE.finditer(text):
        nonce = nonce or line["nonce"]
        if begun is None:
            begun = line if line["begun"] and line["nonce"] == nonce else None
        elif line["ended"] == begun["begun"] and line["end_nonce"] == nonce:
            # Neither the line feed after the first line of a frame nor the one before the last is the item's.
            items.append(Item(begun["begun"], line["seal"] or "", text[begun.end() + 1 : line.start() - 1]))
            begun = None
    return tuple(items)
