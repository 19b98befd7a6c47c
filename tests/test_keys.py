"""Where the API key comes from, and how a new one is taken up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claudeflow.config import (
    ADMIN_KEY_CREDENTIAL,
    ADMIN_KEY_VARIABLE,
    KEY_CREDENTIAL,
    KEY_VARIABLE,
    FoundKey,
    find_admin_key,
    find_key,
)
from claudeflow.daemon.keys import KeyRing
from claudeflow.domain.errors import ConfigError
from claudeflow.domain.events import Event, KeyChanged, OwnTrouble


def a_key_file(folder: Path, text: str = "sk-from-file\n", mode: int = 0o600) -> Path:
    """A file with a key in it."""
    file = folder / "key"
    file.write_text(text)
    file.chmod(mode)
    return file


def found(key_file: str | Path = "", **environ: str) -> str | None:
    one = find_key(str(key_file), environ)
    return one.key if one else None


def test_the_key_file_goes_before_the_credential_of_systemd_and_that_before_the_environment(
    tmp_path: Path,
) -> None:
    environ = {KEY_VARIABLE: " from-environment\n", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_key("", environ) == FoundKey("from-environment", KEY_VARIABLE)
    (tmp_path / KEY_CREDENTIAL).write_text("from-systemd\n")
    assert find_key("", environ) == FoundKey("from-systemd", f"the credential {KEY_CREDENTIAL}")
    file = a_key_file(tmp_path)
    assert find_key(str(file), environ) == FoundKey("sk-from-file", str(file))


@pytest.mark.parametrize("environ", [{}, {KEY_VARIABLE: " "}, {"CREDENTIALS_DIRECTORY": "/nonexistent"}])
def test_without_a_key_there_is_none(environ: dict[str, str]) -> None:
    assert find_key("", environ) is None


def test_an_empty_key_file_holds_no_key(tmp_path: Path) -> None:
    assert found(a_key_file(tmp_path, "\n"), **{KEY_VARIABLE: "another"}) is None


@pytest.mark.parametrize("key", ["sk-ant-é", "two words", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str, tmp_path: Path) -> None:
    for file, environ in (("", {KEY_VARIABLE: key}), (str(a_key_file(tmp_path, key)), {})):
        with pytest.raises(ConfigError) as refused:
            find_key(file, environ)
        assert key not in str(refused.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_key_file_may_be_read_by_its_group(tmp_path: Path, mode: int) -> None:
    assert found(a_key_file(tmp_path, mode=mode)) == "sk-from-file"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o622, 0o604])
def test_a_key_file_that_others_may_read_or_its_group_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 640, or 600; the file of `\\[api\\] key_file`"):
        find_key(str(a_key_file(tmp_path, mode=mode)), {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_a_stranger_is_refused(tmp_path: Path) -> None:
    file = a_key_file(tmp_path)
    os.chown(file, 12_345, -1)
    with pytest.raises(ConfigError, match="must belong to root or to the user"):
        find_key(str(file), {})


@pytest.mark.parametrize("path", ["/nonexistent/key", "/dev/null", "/tmp"])
def test_what_is_no_plain_file_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_key(path, {})
    assert refused.value.source == path


def test_a_found_key_shows_itself_in_no_text() -> None:
    assert "sk-secret" not in f"{FoundKey('sk-secret', 'somewhere')!r} {FoundKey('sk-secret', 'x')}"


def test_a_changed_file_gives_a_new_key_and_tells_so_once_without_the_key(tmp_path: Path) -> None:
    file, told = a_key_file(tmp_path, "first"), list[Event]()
    first = find_key(str(file))
    assert first is not None
    ring = KeyRing(first, lambda: find_key(str(file)), told.append)
    assert not ring.refresh()
    a_key_file(tmp_path, "second")
    assert ring.key() == "first"
    assert ring.refresh()
    assert ring.key() == "second"
    assert not ring.refresh()
    assert told == [KeyChanged(str(file))]


def test_a_key_that_cannot_be_read_any_more_leaves_the_old_one_in_use_and_tells_so_once(
    tmp_path: Path,
) -> None:
    file, told = a_key_file(tmp_path, "first"), list[Event]()
    ring = KeyRing(FoundKey("first", str(file)), lambda: find_key(str(file)), told.append)
    for text, mode in (("second", 0o644), ("second", 0o644), ("", 0o600), ("second", 0o600)):
        a_key_file(tmp_path, text, mode)
        is_new = ring.refresh()
    assert is_new
    assert ring.key() == "second"
    troubles = [event.problem for event in told if isinstance(event, OwnTrouble)]
    assert len(troubles) == 2
    assert "chmod" in troubles[0]
    assert "the old one stays in use" in troubles[1]


def test_the_admin_key_has_places_of_its_own(tmp_path: Path) -> None:
    environ = {ADMIN_KEY_VARIABLE: "sk-ant-admin-1", KEY_VARIABLE: "sk-usual"}
    assert find_admin_key("", environ) == FoundKey("sk-ant-admin-1", ADMIN_KEY_VARIABLE)
    (tmp_path / ADMIN_KEY_CREDENTIAL).write_text("sk-ant-admin-2")
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert find_admin_key("", environ) == FoundKey("sk-ant-admin-2", f"the credential {ADMIN_KEY_CREDENTIAL}")
    file = a_key_file(tmp_path, "sk-ant-admin-3")
    assert find_admin_key(str(file), environ) == FoundKey("sk-ant-admin-3", str(file))
    assert find_admin_key("", {KEY_VARIABLE: "sk-usual"}) is None


def test_neither_key_is_taken_for_the_other() -> None:
    with pytest.raises(ConfigError, match="is an admin key") as mistaken:
        find_key("", {KEY_VARIABLE: "sk-ant-admin-1"})
    with pytest.raises(ConfigError, match="is no admin key") as reversed_:
        find_admin_key("", {ADMIN_KEY_VARIABLE: "sk-ant-api-1"})
    for refused in (mistaken, reversed_):
        assert "sk-ant-api-1" not in str(refused.value)
        assert "sk-ant-admin-1" not in str(refused.value)


def test_an_admin_key_file_that_others_may_read_is_refused_by_its_own_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[admin\] key_file"):
        find_admin_key(str(a_key_file(tmp_path, "sk-ant-admin-1", mode=0o644)), {})
