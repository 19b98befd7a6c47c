"""Answers that follow from the request alone: the same request and seed always get the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from claudeflow.twin.chance import Chance
from claudeflow.twin.faults import PackFault
from claudeflow.twin.orders import ordered_tokens
from claudeflow.twin.packs.answers import Said, said_of_pack
from claudeflow.twin.packs.frames import read_pack
from claudeflow.twin.request import MessageRequest
from claudeflow.twin.schema_walk import SchemaWalk, structured
from claudeflow.twin.tokens import chars_per_token, text_tokens

_QUOTED_CHARS = 1_000
_THINKING_SHARE = 0.3
_NOT_PART_OF_THE_QUESTION = frozenset({"stream", "metadata", "cache_control", "service_tier", "diagnostics"})


@dataclass(frozen=True, slots=True)
class ServerTools:
    """How often the API ran its own tools for a message. Searches are billed one by one."""

    searches: int = 0
    fetches: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says. `blocks` are content blocks; `tokens` counts them, thinking included."""

    blocks: tuple[dict[str, Any], ...]
    stop_reason: str
    tokens: int
    thinking_tokens: int = 0
    stop_sequence: str | None = None
    refusal_category: str | None = None
    server_tools: ServerTools = ServerTools()


def chance_of(request: MessageRequest, seed: int) -> Chance:
    """The chance that belongs to a request, whether it is streamed or not."""
    question = orjson.dumps(
        {key: value for key, value in request.body.items() if key not in _NOT_PART_OF_THE_QUESTION}
    )
    # A checksum is enough to tell questions apart, and the cheapest thing to do with a long prompt.
    return Chance(seed, b"%d %d" % (crc32(question), len(question)))


def answer(
    request: MessageRequest,
    chance: Chance,
    median_tokens: int,
    sigma: float,
    *,
    seed: int = 0,
    packs: Sequence[PackFault] = (),
) -> Reply:
    """The reply to a request. Lengths of prose are log-normal; `max_tokens` cuts whatever is longer.

    A last user turn that contains `[[answer 123 tokens]]` gets prose of exactly that length instead,
    thinking included, and structured output of that length besides thinking; tool calls keep their own.
    What structured output says follows from `seed`, model, schema and that turn; `packs` befall packed
    requests only.
    """
    if request.max_tokens == 0:
        return Reply((), "max_tokens", 0)
    source = last_user_text(request.body)
    wanted = ordered_tokens(source) or max(1, int(chance.log_normal(median_tokens, sigma)))
    thinking = min(int(wanted * _THINKING_SHARE), request.max_tokens - 1) if request.thinking else 0
    blocks: list[dict[str, Any]] = []
    if thinking:
        blocks.append({"type": "thinking", "thinking": "", "signature": f"twin{chance.below(10**12):012d}"})
    room = request.max_tokens - thinking
    if request.forced_tool is not None:
        block, spoken = _tool_use(request, chance, source)
        cut = spoken > room
        reason = "max_tokens" if cut else "tool_use"
        return Reply((*blocks, block), reason, thinking + min(spoken, room), thinking)
    if request.schema is not None:
        said = _structured(request, request.schema, source, seed, packs)
    else:
        said = Said(_prose(source, chance, int((wanted - thinking) * chars_per_token(request.model))))
    return _spoken(request, blocks, said, thinking)


def refusal(category: str) -> Reply:
    """The reply of a model that declines before it says anything."""
    return Reply((), "refusal", 0, refusal_category=category)


def server_tools(request: MessageRequest) -> ServerTools:
    """Searches and fetches before the answer: as many as each tool may have, one if nothing is said."""
    if request.max_tokens == 0:
        return ServerTools()
    uses = {"web_search_": 0, "web_fetch_": 0}
    for tool in request.body.get("tools") or ():
        for kind in uses:
            if str(tool.get("type")).startswith(kind):
                uses[kind] += tool.get("max_uses") or 1
    return ServerTools(uses["web_search_"], uses["web_fetch_"])


def last_user_text(body: dict[str, Any]) -> str:
    """The text of the last user turn, as far as answers are made of it."""
    for message in reversed(body["messages"]):
        if message["role"] != "user":
            continue
        content = message["content"]
        if isinstance(content, str):
            return content
        texts = [block["text"] for block in content if block.get("type") == "text"]
        if texts:
            return "\n".join(texts)
    return ""


def _spoken(request: MessageRequest, blocks: list[dict[str, Any]], said: Said, thinking: int) -> Reply:
    room, text = request.max_tokens - thinking, said.text
    stop_reason, stop_sequence = "max_tokens" if said.cut else "end_turn", None
    for sequence in request.body.get("stop_sequences") or ():
        end = text.find(sequence)
        if end >= 0:
            text, stop_reason, stop_sequence = text[:end], "stop_sequence", sequence
    spoken = text_tokens(len(text), request.model)
    if spoken > room:
        text, spoken = text[: int(room * chars_per_token(request.model))], room
        stop_reason, stop_sequence = "max_tokens", None
    if text:
        blocks.append({"type": "text", "text": text})
    return Reply(tuple(blocks), stop_reason, thinking + spoken, thinking, stop_sequence)


def _structured(
    request: MessageRequest, schema: dict[str, Any], source: str, seed: int, packs: Sequence[PackFault]
) -> Said:
    pack = read_pack(schema, source)
    if pack is not None:
        return said_of_pack(pack, seed, request.model, packs)
    return Said(orjson.dumps(structured(schema, schema, source, seed, request.model)).decode())


def _prose(source: str, chance: Chance, chars: int) -> str:
    """`chars` characters out of the source, read on from a place that chance picks."""
    words = source[:_QUOTED_CHARS].split() or ["Understood."]
    start = chance.below(len(words))
    lap = " ".join(words[start:] + words[:start]) + " "
    text = (lap * (chars // len(lap) + 1))[:chars]
    return text[:-1] + "." if text[-1] == " " else text


def _tool_use(request: MessageRequest, chance: Chance, source: str) -> tuple[dict[str, Any], int]:
    tools = [tool for tool in request.body["tools"] if request.forced_tool in ("", tool["name"])]
    tool = tools[chance.below(len(tools))]
    schema = tool.get("input_schema") or {"type": "object"}
    value = SchemaWalk(schema, chance, source).value(schema) or {}
    block = {
        "type": "tool_use",
        "id": f"toolu_01{chance.below(10**22):022d}",
        "name": tool["name"],
        "input": value,
    }
    return block, text_tokens(len(orjson.dumps(value)) + len(tool["name"]), request.model)
