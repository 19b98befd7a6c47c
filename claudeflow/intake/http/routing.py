"""Routes of paths that are spelt out, beside those with parameters that would match them as well."""

from __future__ import annotations

from starlette.routing import Match, Route
from starlette.types import Scope


class Exact(Route):
    """A route whose path is taken literally: another method there is 405, and no business of a template's."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Full even where only the method is another; `handle` then says which are served."""
        match, found = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), found


def route_of(path: str) -> type[Route]:
    """The kind of route that a path needs."""
    return Route if "{" in path else Exact
