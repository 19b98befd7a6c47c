"""Takes up prompt folders that change while the daemon works, and tells of leaks in them.

Jobs that were submitted keep the version that they were submitted with.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from claudeflow.config import Config
from claudeflow.daemon.catalog import CatalogShelf, read_prompts
from claudeflow.daemon.shared import Shared
from claudeflow.domain.errors import ConfigError, PromptError
from claudeflow.domain.events import PromptLeaks, PromptsRefused, PromptsReloaded
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts.files import is_passed_over
from claudeflow.prompts.lint import LINT_FILE, Finding, lint_prompts

LOOK_EVERY_S = 2.0
"""A change is taken up once two looks in a row find the same: somebody may still be writing."""

Fingerprint = tuple[tuple[str, int, int, int], ...]


class PromptKeeper:
    """Looks at the prompts folder now and then. Files are read in a thread."""

    def __init__(self, shared: Shared, shelf: CatalogShelf) -> None:
        self._shared = shared
        self._shelf = shelf
        self._known: Fingerprint | None = None
        self._changing: Fingerprint | None = None

    async def run(self) -> None:
        """Tell of leaks once, then look again and again, until cancelled."""
        await self.tell_leaks(self._shelf.catalog.prompts)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take up what has changed since the last look but one, and has not changed since the last."""
        folder = self._shared.config.prompts.folder
        if not folder:
            return
        found = await asyncio.to_thread(fingerprint, Path(folder))
        if found == self._known:
            self._changing = None
        elif found != self._changing:
            self._changing = found
        else:
            await self._take_up(found)

    async def tell_leaks(self, names: Iterable[str]) -> None:
        """One event for each of these prompts and each rule that it breaks."""
        wanted = set(names)
        if not wanted:
            return
        try:
            found = await asyncio.to_thread(lint_prompts, Path(self._shared.config.prompts.folder))
        except Exception as problem:  # noqa: BLE001 - whatever a prompt holds, the daemon goes on
            self._refuse(problem)
            return
        for event in leaks_of(found):
            if event.prompt in wanted:
                self._shared.emit(event)

    def _refuse(self, problem: Exception) -> None:
        """Tell why; of an error nobody foresaw only its kind, as its text may quote a prompt."""
        match problem:
            case ConfigError():
                said = "\n".join(mistake.message for mistake in problem.mistakes)
            case PromptError():
                said = str(problem)
            case _:
                said = f"{type(problem).__name__} while reading; run `claudeflow prompts check`"
        self._shared.emit(PromptsRefused(self._shared.config.prompts.folder, said))

    async def _take_up(self, found: Fingerprint) -> None:
        config = self._shared.config
        try:
            prompts, after = await asyncio.to_thread(_read, config)
        except Exception as problem:  # noqa: BLE001 - whatever a prompt holds, the daemon goes on
            self._known = found
            self._refuse(problem)
            return
        if after != found or config.prompts != self._shared.config.prompts:
            self._changing = after
            return
        self._known = found
        old = self._shelf.catalog.prompts
        changed = [name for name in sorted({*old, *prompts}) if old.get(name) != prompts.get(name)]
        if changed:
            self._shelf.put_up(replace(self._shelf.catalog, prompts=prompts))
            told = tuple(_change(name, old.get(name), prompts.get(name)) for name in changed)
            self._shared.emit(PromptsReloaded(config.prompts.folder, told))
            await self.tell_leaks(name for name in changed if name in prompts)


def fingerprint(folder: Path) -> Fingerprint:
    """Name, size, time and inode of every file of the prompts: when it is equal, nothing was written.

    Only what loading looks at counts: `lint.toml`, the prompts' folders, and what stands right in them.
    """
    inner = [path for path in _seen_in(folder) if path.is_dir()]
    files = [folder / LINT_FILE, *(path for prompt in inner for path in (prompt, *_seen_in(prompt)))]
    return tuple(sorted(_mark(path) for path in files))


def leaks_of(findings: Iterable[Finding]) -> Iterator[PromptLeaks]:
    """The findings of each prompt and rule as one event."""
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[Path(finding.file).parent.name, finding.rule].append(finding)
    for (prompt, rule), found in kinds.items():
        first = found[0]
        yield PromptLeaks(prompt, rule, len(found), f"{Path(first.file).name}:{first.line}:{first.column}")


def _read(config: Config) -> tuple[Mapping[str, PromptTemplate], Fingerprint]:
    return read_prompts(config), fingerprint(Path(config.prompts.folder))


def _seen_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not is_passed_over(path.name)]
    except OSError:
        return []


def _mark(path: Path) -> tuple[str, int, int, int]:
    """One that cannot be looked at, such as a link to nothing, is marked by its name alone."""
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_size, found.st_mtime_ns, found.st_ino


def _change(name: str, old: PromptTemplate | None, new: PromptTemplate | None) -> str:
    return f"{name} {old.version if old else '(none)'} -> {new.version if new else '(gone)'}"
