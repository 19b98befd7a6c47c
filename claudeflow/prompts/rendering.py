"""Renders the volatile part of a prompt and builds the Messages body around it.

`user.md` is a Jinja2 template in a sandbox: undefined variables are errors, nothing can be included,
inputs cannot be changed, and nothing random is at hand, so equal inputs always give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from claudeflow.domain.errors import PromptError
from claudeflow.domain.prompt import PromptTemplate

_GLOBALS = ("namespace", "range")


@dataclass(frozen=True, slots=True)
class UserTemplate:
    """A compiled user.md and the variables that it uses."""

    template: Template
    variables: frozenset[str]


def _plain_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals = {name: environment.globals[name] for name in _GLOBALS}
    del environment.filters["random"]
    environment.filters["tojson"] = _plain_json  # Jinja's own escapes <, > and & for HTML
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=256)
def compile_user(source: str) -> UserTemplate:
    """Compile a user.md once. Raises PromptError naming the line."""
    try:
        tree = _ENVIRONMENT.parse(source)
        if any(True for _ in find_referenced_templates(tree)):
            raise PromptError("include, import and extends are not available")
        return UserTemplate(_ENVIRONMENT.from_string(source), frozenset(find_undeclared_variables(tree)))
    except TemplateSyntaxError as error:
        raise PromptError(f"line {error.lineno}: {error.message}") from error
    except (MemoryError, RecursionError, SyntaxError) as error:
        raise PromptError("is nested too deeply for a template; make it flatter") from error


def render(template: PromptTemplate, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The Messages body of one job, without cache markers.

    Raises PromptError naming a variable that is missing, or unknown to the template.
    """
    return assemble(template, [{"role": "user", "content": _user_text(template, variables)}])


def assemble(template: PromptTemplate, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The Messages body of the template's stable part and messages that were rendered before."""
    body: dict[str, Any] = {
        "model": template.model,
        "max_tokens": template.max_tokens,
        "system": [{"type": "text", "text": template.system}],
    }
    if template.tools:
        body["tools"] = [dict(tool) for tool in template.tools]
    body["messages"] = list(messages)
    if output_config := _output_config(template):
        body["output_config"] = output_config
    return body


def _output_config(template: PromptTemplate) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if template.effort is not None:
        config["effort"] = template.effort
    if template.schema is not None:
        config["format"] = {"type": "json_schema", "schema": dict(template.schema)}
    return config


def _user_text(template: PromptTemplate, variables: Mapping[str, Any]) -> str:
    user = compile_user(template.user)
    uses = f"user.md uses: {_listed(user.variables)}"
    if unknown := variables.keys() - user.variables:
        raise PromptError(f"prompt {template.name}: unknown variable {_listed(unknown)}; {uses}")
    try:
        text = user.template.render(variables)
    except (TemplateError, TypeError) as error:
        raise PromptError(f"prompt {template.name}: {error}; {uses}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, ValueError) as error:
        # Such a message may quote the input, which must not reach a log.
        raise PromptError(
            f"prompt {template.name}: {type(error).__name__} while rendering; {uses}"
        ) from error
    if not text.strip():
        raise PromptError(f"prompt {template.name}: user.md renders to nothing; {uses}")
    return text


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
