"""Comparing: whether a packed and a single answer say the same, by the prompt's own rule."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import orjson

from claudeflow.domain.prompt import CanaryRules
from claudeflow.policy.packing.canary import agree

COMMAND_S = 30.0
"""How long a command may think about two answers."""

SECRETS = ("ANTHROPIC_", "CREDENTIALS_DIRECTORY")
"""Beginnings of names in the environment that a command does not get to see."""


async def agreed(packed: Any, single: Any, rules: CanaryRules, timeout_s: float = COMMAND_S) -> bool | str:
    """Whether they agree; a text says why nobody can tell."""
    if not rules.command:
        return agree(packed, single, rules.fields)
    return await _ask(rules.command, orjson.dumps({"packed": packed, "single": single}), timeout_s)


async def _ask(command: tuple[str, ...], document: bytes, timeout_s: float) -> bool | str:
    """Exit code 0: they agree, 1: they do not. Anything else is no word on that."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(SECRETS)},
        )
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}; see canary.compare of the prompt"
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(document)
    except TimeoutError:
        return f"{command[0]} took longer than {timeout_s:g} s"
    finally:
        await _ended(process)
    if process.returncode in (0, 1):
        return process.returncode == 0
    return f"{command[0]} ended with code {process.returncode}; 0 says that they agree, 1 that they do not"


async def _ended(process: asyncio.subprocess.Process) -> None:
    """See that nothing is left of it, whatever ended the wait."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
