"""The pytest plugin: the fixture `claudeflow_prompts`. claudeflow itself is loaded when a test uses it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claudeflow.domain.prompt import PromptTemplate

FOLDER_OPTION = "claudeflow_prompts"


class Prompts:
    """The prompts of a folder, for tests."""

    def __init__(self, folder: Path) -> None:
        from claudeflow.prompts import load_prompts

        self.folder = folder
        self.templates: Mapping[str, PromptTemplate] = load_prompts(folder)

    def __getitem__(self, name: str) -> PromptTemplate:
        """The prompt with this name. Raises KeyError naming those that there are."""
        if name not in self.templates:
            raise KeyError(f"no prompt is named {name}; there are: {', '.join(self.templates) or 'none'}")
        return self.templates[name]

    def render(self, name: str, /, **variables: Any) -> dict[str, Any]:
        """The Messages body of one job. Raises PromptError naming a missing variable."""
        from claudeflow.prompts import render

        return render(self[name], variables)

    def assert_cacheable(self, *names: str, **how: Any) -> None:
        """`claudeflow.testing.assert_cacheable` for the folders of these prompts, or of all."""
        from claudeflow.testing import assert_cacheable

        __tracebackhide__ = True
        for name in names or self.templates:
            assert_cacheable(self.folder / self[name].name, **how)

    def assert_stable(self, name: str, inputs: Iterable[Mapping[str, Any]]) -> None:
        """`claudeflow.testing.assert_stable` for a prompt and several inputs."""
        from claudeflow.testing import assert_stable

        __tracebackhide__ = True
        assert_stable(lambda variables: self.render(name, **variables), inputs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option that names the folder."""
    parser.addini(FOLDER_OPTION, "folder of claudeflow's prompts, relative to the rootdir", default="prompts")


@pytest.fixture(scope="session")
def claudeflow_prompts(pytestconfig: pytest.Config) -> Prompts:
    """The prompts of the folder that the ini option `claudeflow_prompts` names (default: `prompts`)."""
    return Prompts(pytestconfig.rootpath / pytestconfig.getini(FOLDER_OPTION))
