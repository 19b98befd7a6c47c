"""The table of wrong jobs: name, what is sent, which field is named, and a word of the way out."""

from __future__ import annotations

from typing import Any

from tests.intake.builders import GONE, a_job, asking, assistant, saying, user

CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
CACHED_1H = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
FORCED = {"type": "tool", "name": "sort"}
ENABLED = {"type": "enabled", "budget_tokens": 2048}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
SEARCH = {"type": "web_search_20260209", "name": "web_search"}
USES = "request.tools[0].max_uses"

Wrong = tuple[str, Any, str, str]

TEXT: list[Wrong] = [
    ("not JSON", b'{"request": ', "body", "line 1, column 13"),
    ("nothing", b"", "body", "send one JSON object"),
    ("not UTF-8", b'{"lane": "\xff"}', "body", "at byte 10; encode"),
    ("UTF-16", '{"request": {}}'.encode("utf-16"), "body", "UTF-8"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "body", "BOM"),
    ("NaN", b'{"request": {"model": NaN}}', "body", "finite number"),
    ("Infinity", b'{"priority": -Infinity}', "body", "finite number"),
    ("a float beyond range", b'{"priority": 1e999}', "body", "too large"),
    ("an endless integer", b'{"priority": ' + b"9" * 5_000 + b"}", "body", "64 bits"),
    ("a key given twice", b'{"lane": "bulk", "lane": "interactive"}', "lane", "keep one"),
    ("a key given twice below", b'{"request": {"model": "a", "model": "b"}}', "model", "keep one"),
    ("a list", [], "body", "must be a JSON object, found a list"),
    ("a string", "hello", "body", "found a string"),
    ("nested without end", b'{"input":' * 5_000, "body", "flatten"),
    ("an unknown key", a_job(lanes="bulk"), "lanes", 'Did you mean "lane"?'),
    ("an unknown key like nothing", a_job(zzz=1), "zzz", "Known fields: deadline"),
    ("a request field outside", a_job(max_tokens=5), "max_tokens", "belongs into `request`"),
]
ENVELOPE: list[Wrong] = [
    ("an unknown lane", a_job(lane="bluk"), "lane", 'Did you mean "bulk"?'),
    ("a lane of another type", a_job(lane=["bulk"]), "lane", "lanes are bulk, interactive"),
    ("a workflow in capitals", a_job(workflow="Triage"), "workflow", "a-z"),
    ("an endless workflow", a_job(workflow="x" * 65), "workflow", "64"),
    ("a priority too high", a_job(priority=101), "priority", "-100 to 100"),
    ("a boolean priority", a_job(priority=True), "priority", "found true"),
    ("a fractional priority", a_job(priority=1.0), "priority", "integer"),
    ("a deadline in the past", a_job(deadline="2026-11-22T08:59:59Z"), "deadline", "choose a later one"),
    ("a deadline without zone", a_job(deadline="2026-11-23T09:00:00"), "deadline", 'add "Z"'),
    ("a deadline in words", a_job(deadline="tomorrow"), "deadline", '"+30m"'),
    ("a deadline on no day", a_job(deadline="2026-02-30T09:00:00Z"), "deadline", "no such moment"),
    ("a deadline as a number", a_job(deadline=1795338000), "deadline", "RFC 3339"),
    ("a deadline after the end of years", a_job(deadline="+999999999d"), "deadline", "earlier"),
    (
        "a deadline before not_before",
        a_job(deadline="+1h", not_before="+2h"),
        "deadline",
        "not after not_before",
    ),
    ("a not_before without unit", a_job(not_before="+30"), "not_before", '"+30m"'),
    ("an empty dedupe_key", a_job(dedupe_key=""), "dedupe_key", "1 to 200"),
    ("a long dedupe_key", a_job(dedupe_key="k" * 201), "dedupe_key", "a string of 201"),
    ("a dedupe_key with control characters", a_job(dedupe_key="a\nb"), "dedupe_key", "printable"),
    ("a dedupe_key with half a character", a_job(dedupe_key="\ud800"), "dedupe_key", "half"),
    ("metadata with a number", a_job(metadata={"ticket": 7}), "metadata.ticket", "write it as text"),
    ("metadata as a list", a_job(metadata=["a"]), "metadata", "object of strings"),
    ("too many metadata", a_job(metadata={f"k{i}": "v" for i in range(65)}), "metadata", "64"),
    ("too much metadata", a_job(metadata={"k": "v" * 17_000}), "metadata", "16,384"),
    ("metadata with half a character", a_job(metadata={"k": "\ud800"}), "metadata", "whole characters"),
    ("a trace id of zeros", a_job(traceparent=f"00-{'0' * 32}-{'1' * 16}-01"), "traceparent", "W3C"),
    ("a trace in capitals", a_job(traceparent=f"00-{'A' * 32}-{'1' * 16}-01"), "traceparent", "4bf92f"),
]
ASKED: list[Wrong] = [
    ("nothing asked", {}, "request", '"prompt"'),
    ("request and prompt", a_job(prompt="triage"), "prompt", "either"),
    ("input without prompt", {"input": {"ticket": "x"}}, "input", "name the prompt"),
    ("input beside a request", a_job(input={}), "input", "without `prompt`"),
    ("a request that is text", a_job(request="hi"), "request", "Messages body"),
    ("an unknown prompt", {"prompt": "triag", "input": {}}, "prompt", 'Did you mean "triage"?'),
    ("a prompt of another type", {"prompt": 3}, "prompt", "prompts are triage"),
    ("a missing variable", {"prompt": "triage", "input": {}}, "input", "needs the variable ticket"),
    ("an unknown variable", {"prompt": "triage", "input": {"tikcet": "x"}}, "input", "it has ticket"),
    ("input that is text", {"prompt": "triage", "input": "x"}, "input", "object of the prompt's variables"),
    (
        "a variable with half a character",
        {"prompt": "triage", "input": {"ticket": "\udc00"}},
        "input",
        "whole characters",
    ),
]
SIZE: list[Wrong] = [
    ("no model", asking(model=GONE), "request.model", "models with a price"),
    ("a misspelt key", asking(model=GONE, modell="x"), "request.model", 'did you mean "model"?'),
    ("a model of another type", asking(model=5), "request.model", "name of a model"),
    ("an empty model", asking(model=""), "request.model", "empty string"),
    ("a model without price", asking(model="claude-haiku-6"), "request.model", "[prices] file"),
    ("a misspelt model", asking(model="claude-opus-55"), "request.model", 'Did you mean "claude-opus-5-5"?'),
    ("no max_tokens", asking(max_tokens=GONE), "request.max_tokens", "1 to 128,000"),
    ("max_tokens as text", asking(max_tokens="500"), "request.max_tokens", "integer"),
    ("a boolean max_tokens", asking(max_tokens=True), "request.max_tokens", "found true"),
    ("a fractional max_tokens", asking(max_tokens=500.0), "request.max_tokens", "integer"),
    ("max_tokens of zero", asking(max_tokens=0), "request.max_tokens", "warms the cache"),
    ("negative max_tokens", asking(max_tokens=-1), "request.max_tokens", "from 1"),
    ("too many max_tokens", asking(max_tokens=128_001), "request.max_tokens", "128,000"),
    (
        "too many max_tokens for a small model",
        asking(model="claude-sonnet-4-5-20250929", max_tokens=64_001),
        "request.max_tokens",
        "64,000",
    ),
    ("an integer beyond 64 bits", asking(seed=2**65), "request", "64 bits"),
    ("text with half a character", saying(user("\ud800")), "request", "whole characters"),
]
MESSAGES: list[Wrong] = [
    ("no messages", asking(messages=GONE), "request.messages", "missing"),
    ("messages as text", asking(messages="hi"), "request.messages", "list"),
    ("no message", saying(), "request.messages", "at least one"),
    ("too many messages", saying(*[user("x")] * 100_001), "request.messages", "100,000 at most"),
    ("a message that is text", saying("hi"), "request.messages[0]", '"role"'),
    ("a wrong role", saying({"role": "human", "content": "x"}), "request.messages[0].role", "assistant"),
    ("a misspelt role", saying({"role": "usr", "content": "x"}), "request.messages[0].role", '"user"'),
    ("no role", saying({"content": "x"}), "request.messages[0].role", "missing"),
    ("no content", saying({"role": "user"}), "request.messages[0].content", "missing"),
    ("empty content", saying(user("")), "request.messages[0].content", "not empty"),
    ("no content blocks", saying(user([])), "request.messages[0].content", "an empty list"),
    ("content as a number", saying(user(5)), "request.messages[0].content", "a number"),
    ("a block that is text", saying(user(["x"])), "request.messages[0].content[0]", '"type": "text"'),
    ("a block without type", saying(user([{"text": "x"}])), "request.messages[0].content[0].type", "missing"),
    (
        "an empty text block",
        saying(user([PNG, {"type": "text", "text": ""}])),
        "request.messages[0].content[1].text",
        "drop the block",
    ),
    (
        "citations of a user",
        saying(user([{"type": "text", "text": "x", "citations": []}])),
        "request.messages[0].content[0].citations",
        "2026-10-21",
    ),
    (
        "a document of the assistant",
        saying(user("x"), assistant([{"type": "document"}]), user("y")),
        "request.messages[1].content[0]",
        "user message",
    ),
    ("prefill", saying(user("x"), assistant("{")), "request.messages[1].role", "end with a user message"),
]
OPTIONS: list[Wrong] = [
    ("temperature", asking(temperature=0.2), "request.temperature", "drop it"),
    ("top_p", asking(top_p=0.9), "request.top_p", "2026-10-21"),
    ("top_k", asking(top_k=5), "request.top_k", "2026-10-21"),
    ("stream", asking(stream=True), "request.stream", "the daemon chooses"),
    ("an SDK argument", asking(extra_headers={}), "request.extra_headers", "argument of the SDK"),
    ("a batch item", a_job(request={"custom_id": "1", "params": {}}), "request.custom_id", "dedupe_key"),
    ("thinking as text", asking(thinking="adaptive"), "request.thinking", "object"),
    ("thinking without type", asking(thinking={}), "request.thinking.type", "adaptive"),
    (
        "thinking enabled on Opus 5.5",
        asking(model="claude-opus-5-5", thinking=ENABLED),
        "request.thinking.type",
        "adaptive",
    ),
    (
        "thinking disabled on Fable 5.2",
        asking(model="claude-fable-5-2", thinking={"type": "disabled"}),
        "request.thinking.type",
        "leave thinking out",
    ),
    (
        "thinking disabled on Sonnet 5.5",
        asking(model="claude-sonnet-5-5", thinking={"type": "disabled"}),
        "request.thinking.type",
        "between_tools",
    ),
    ("a budget on Haiku 5.5", asking(thinking=ENABLED), "request.thinking.budget_tokens", "effort"),
    (
        "a small budget",
        asking(model="claude-haiku-4-5", thinking={"type": "enabled", "budget_tokens": 1_023}),
        "request.thinking.budget_tokens",
        "1,024",
    ),
    (
        "no budget",
        asking(model="claude-haiku-4-5", thinking={"type": "enabled"}),
        "request.thinking.budget_tokens",
        "nothing",
    ),
    (
        "a forced tool",
        asking(model="claude-sonnet-5-5", tool_choice=FORCED),
        "request.tool_choice.type",
        '"auto"',
    ),
    (
        "any forced tool",
        asking(model="claude-opus-5-5", tool_choice={"type": "any"}),
        "request.tool_choice.type",
        '"auto"',
    ),
    ("tool_choice as text", asking(tool_choice="auto"), "request.tool_choice", "object"),
    ("tools as an object", asking(tools={}), "request.tools", "list"),
    ("a tool used without end", asking(tools=[{**SEARCH, "max_uses": 2**62}]), USES, "to 10,000"),
    ("a tool used less than never", asking(tools=[{**SEARCH, "max_uses": -1}]), USES, "from 0"),
    ("a tool used half a time", asking(tools=[{**SEARCH, "max_uses": 0.5}]), USES, "integer"),
    (
        "two tools of one name",
        asking(tools=[{"name": "a"}, {"name": "a"}]),
        "request.tools[1].name",
        "differ",
    ),
    (
        "a tool schema as text",
        asking(tools=[{"name": "a", "input_schema": "{}"}]),
        "request.tools[0].input_schema",
        "object",
    ),
    (
        "an effort too high",
        asking(output_config={"effort": "hihg"}),
        "request.output_config.effort",
        '"high"',
    ),
    (
        "a schema as text",
        asking(output_config={"format": {"type": "json_schema", "schema": "{}"}}),
        "request.output_config.format.schema",
        "object",
    ),
    ("system as a number", asking(system=5), "request.system", "text"),
    (
        "an empty system block",
        asking(system=[{"type": "text", "text": ""}]),
        "request.system[0]",
        "not empty",
    ),
    ("a stop sequence", asking(stop_sequences="END"), "request.stop_sequences", "list of strings"),
    ("a user_id as number", asking(metadata={"user_id": 5}), "request.metadata.user_id", "string"),
    ("a wrong speed", asking(speed="faster"), "request.speed", '"fast"'),
    ("no fast mode", asking(speed="fast"), "request.speed", "no fast mode"),
    ("a wrong service tier", asking(service_tier="batch"), "request.service_tier", "standard_only"),
    (
        "a place for an old model",
        asking(model="claude-haiku-4-5", inference_geo="us"),
        "request.inference_geo",
        "newer model",
    ),
]
CACHE: list[Wrong] = [
    (
        "five cache markers",
        saying(user([CACHED, CACHED]), system=[CACHED, CACHED], cache_control={"type": "ephemeral"}),
        "request.cache_control",
        "4 at most",
    ),
    (
        "five with one in a tool result",
        saying(user([CACHED, CACHED, CACHED, CACHED, {"type": "tool_result", "content": [CACHED]}])),
        "request.messages[0].content[4].content[0].cache_control",
        "4 at most",
    ),
    (
        "a long-lived one after a short-lived one",
        saying(user([CACHED_1H]), system=[CACHED]),
        "request.messages[0].content[0].cache_control",
        "must come first",
    ),
    (
        "a wrong ttl",
        asking(cache_control={"type": "ephemeral", "ttl": "2h"}),
        "request.cache_control.ttl",
        '"1h"',
    ),
    ("a marker as text", asking(cache_control="ephemeral"), "request.cache_control", "ephemeral"),
]
WRONG_JOBS = [*TEXT, *ENVELOPE, *ASKED, *SIZE, *MESSAGES, *OPTIONS, *CACHE]
