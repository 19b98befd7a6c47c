"""For a team's own unit tests: fail when what changes leaks into what should be cached.

from claudeflow.testing import assert_cacheable, assert_stable

def test_the_triage_request_is_cacheable():
    assert_cacheable(build_request(SOME_TICKET))

def test_the_ticket_stays_out_of_the_prefix():
    assert_stable(build_request, [SOME_TICKET, ANOTHER_TICKET])
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from claudeflow.domain.prompt import PromptTemplate

if TYPE_CHECKING:
    from claudeflow.prompts.lint import Finding, LintSettings
    from claudeflow.prompts.size import StableSize

__all__ = ["assert_cacheable", "assert_stable"]

Sized = PromptTemplate | Mapping[str, Any] | str
Cacheable = Sized | Path
"""A loaded prompt, a Messages body, a text, or the folder of a prompt."""
Input = TypeVar("Input")

_AROUND = 40
_KEYS_BEFORE = ("model", "mcp_servers", "tools", "tool_choice", "output_config", "thinking")
"""What the API looks at beside the blocks; a change in any of them loses cached tokens."""


def assert_cacheable(
    what: Cacheable,
    *,
    model: str | None = None,
    ignore: Collection[str] = (),
    allow: Collection[str] = (),
    min_tokens: bool | int = True,
) -> None:
    """Raise AssertionError when the stable part of a prompt, a Messages body or a text cannot be cached.

    `what` may be the folder of a prompt too: then its `[lint]`, and `lint.toml` beside it, hold.

    That is: when the lint finds a date, an id, an address, a variable or the like in it, or when it is
    smaller than the minimum of the model (`model`, else the one that `what` names; without any the size
    is not looked at). The size is a guess: see `claudeflow prompts list`. `ignore` are rules that do not
    hold here, `allow` texts that are stable; `min_tokens` is a minimum of your own, or False for none.
    Raises ValueError for a rule or a model that does not exist.
    """
    __tracebackhide__ = True
    from claudeflow.prompts.lint import RULES, LintSettings

    unknown = sorted(set(ignore) - RULES.keys())
    if unknown:
        raise ValueError(f"no rule is named {', '.join(unknown)}; there are: {', '.join(RULES)}")
    findings = _findings(what, LintSettings(frozenset(ignore), frozenset(allow)))
    problems = [_told(found) for found in findings]
    size = _size(_loaded(what) if isinstance(what, Path) else what, model, min_tokens)
    if size is not None and not size.is_enough:
        problems.append(f"the stable part has {size}")
    if problems:
        raise AssertionError("\n".join(["the stable part will not be read from the cache:", *problems]))


def assert_stable(render: Callable[[Input], Mapping[str, Any]], inputs: Iterable[Input]) -> None:
    """Raise AssertionError when `render` gives another stable part for another input.

    `render` makes a Messages body of an input; model, tools, system, answer schema, and messages up to the
    last `cache_control` that you set, must be equal to the byte for all inputs, order of keys included; so
    must speed, effort, thinking, the choice of tools, and whether there are citations. Give at least two
    inputs that differ, such as two incidents; ValueError otherwise.
    """
    __tracebackhide__ = True
    first: list[tuple[str, str]] | None = None
    count = 0
    for count, item in enumerate(inputs, 1):
        parts = _stable_parts(render(item))
        if first is None:
            first = parts
        elif parts != first:
            raise AssertionError(
                f"the stable part of input {count} differs from that of input 1, so neither reads what the "
                f"other wrote into the cache:\n{_difference(first, parts)}"
            )
    if count < 2:
        raise ValueError("give at least two inputs that differ")


def _findings(what: Cacheable, settings: LintSettings) -> list[Finding]:
    from claudeflow.prompts.lint import lint_body, lint_prompt, lint_template, lint_text, team_settings

    if isinstance(what, Path):
        team = team_settings(what.parent)
        return lint_prompt(
            what, replace(team, ignore=team.ignore | settings.ignore, allow=team.allow | settings.allow)
        )
    if isinstance(what, PromptTemplate):
        return lint_template(what, settings)
    return lint_text(what, settings=settings) if isinstance(what, str) else lint_body(what, settings=settings)


def _loaded(folder: Path) -> PromptTemplate:
    """The prompt of a folder, whatever is wrong with those beside it. Raises PromptError."""
    from claudeflow.domain.errors import PromptError
    from claudeflow.prompts import survey_prompts

    prompts, mistakes = survey_prompts(folder.parent)
    if folder.name not in prompts:
        own = [str(one) for one in mistakes if str(one).startswith(f"{folder.name}/")]
        raise PromptError("\n".join(own) or f"{folder}: no prompt is there")
    return prompts[folder.name]


def _told(finding: Finding) -> str:
    return f"  {finding}\n      why: {finding.why}\n      fix: {finding.move}"


def _size(what: Sized, model: str | None, min_tokens: bool | int) -> StableSize | None:
    """The size against the minimum; None when there is nothing to compare it with."""
    from claudeflow.prompts.size import body_size, template_size, text_size

    if min_tokens is False:
        return None
    minimum = _minimum(_model_of(what, model)) if min_tokens is True else int(min_tokens)
    if minimum is None:
        return None
    if isinstance(what, PromptTemplate):
        return template_size(what, minimum)
    return text_size(what, minimum) if isinstance(what, str) else body_size(what, minimum)


def _model_of(what: Sized, model: str | None) -> str | None:
    if model is not None or isinstance(what, str):
        return model
    return what.model if isinstance(what, PromptTemplate) else what.get("model")


def _minimum(model: str | None) -> int | None:
    if model is None:
        return None
    from claudeflow.config import PriceSettings, load_prices

    models = load_prices(PriceSettings()).models.values()
    minimums = {name: info.cache_minimum_tokens for info in models for name in (info.id, *info.aliases)}
    if model not in minimums:
        close = difflib.get_close_matches(model, minimums, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"the minimum of {model} is not known{meant}; give min_tokens=NUMBER")
    return minimums[model]


def _stable_parts(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a body decides what is read from the cache, as texts with their names."""
    from claudeflow.prompts.lint.bodies import name_of, stable_blocks

    parts = [(key, _json(body[key])) for key in _KEYS_BEFORE if key in body]
    parts.append(("speed", _json(body.get("speed") or "standard")))
    parts.append(("citations", _json(_has(body, _cites))))
    blocks = stable_blocks(body)
    if blocks and blocks[-1].message >= 0:
        parts.append(("images", _json(_has(body, _is_image))))
    for block in blocks:
        name = name_of(body, block)
        if block.message >= 0 and block.index == 0:
            role = body["messages"][block.message].get("role")
            parts.append((f"the role of messages[{block.message}]", str(role)))
        parts.append((name, _text(block.content)))
    return parts


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _text(content: Mapping[str, Any]) -> str:
    """A block without its marker: the text alone where there is nothing else."""
    rest = {key: value for key, value in content.items() if key != "cache_control"}
    return str(rest["text"]) if rest.keys() <= {"type", "text"} and "text" in rest else _json(rest)


def _has(body: Mapping[str, Any], check: Callable[[Mapping[str, Any]], bool]) -> bool:
    from claudeflow.policy.caching.places import blocks_of

    return any(isinstance(block.content, Mapping) and check(block.content) for block in blocks_of(body))


def _cites(content: Mapping[str, Any]) -> bool:
    citations = content.get("citations")
    return isinstance(citations, Mapping) and bool(citations.get("enabled"))


def _is_image(content: Mapping[str, Any]) -> bool:
    return content.get("type") == "image"


def _difference(first: list[tuple[str, str]], other: list[tuple[str, str]]) -> str:
    """Where two stable parts begin to differ."""
    for (name, text), (other_name, other_text) in zip(first, other, strict=False):
        if name != other_name:
            alone = name if name not in {known for known, _ in other} else other_name
            return f"  only one of them has {alone}"
        if text != other_text:
            return _first_change(name, text, other_text)
    longer = max(first, other, key=len)
    return f"  only one of them has {longer[min(len(first), len(other))][0]}"


def _first_change(name: str, text: str, other: str) -> str:
    at = next(
        (n for n, (one, two) in enumerate(zip(text, other, strict=False)) if one != two),
        min(len(text), len(other)),
    )
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    start = max(0, at - _AROUND)
    shown = (repr(whole[start : at + _AROUND]) for whole in (text, other))
    return "\n".join([f"  {name}, line {line}, column {column}:", *(f"    {part}" for part in shown)])
