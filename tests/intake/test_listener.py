"""The Unix socket: who may connect, what is replaced, and what is left alone."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from claudeflow.intake.http.door.listener import ListenerSettings, SocketUnavailable, listen


def a_dead_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return path


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_the_socket_has_its_mode_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    listener = listen(ListenerSettings(tmp_path / "api.sock", mode=0o640))
    assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o640
    assert can_connect(tmp_path / "api.sock")
    assert [path.name for path in tmp_path.iterdir()] == ["api.sock"]
    listener.close()
    listener.close()
    assert list(tmp_path.iterdir()) == []


def test_the_default_mode_lets_the_group_in_and_nobody_else(tmp_path: Path) -> None:
    listener = listen(ListenerSettings(tmp_path / "api.sock"))
    assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o660
    listener.close()


def test_the_socket_belongs_to_the_group_that_is_named(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid())
    listener = listen(ListenerSettings(tmp_path / "api.sock", group=group.gr_name))
    assert (tmp_path / "api.sock").stat().st_gid == group.gr_gid
    listener.close()


def test_a_group_may_be_named_by_its_number(tmp_path: Path) -> None:
    listener = listen(ListenerSettings(tmp_path / "api.sock", group=str(os.getgid())))
    assert (tmp_path / "api.sock").stat().st_gid == os.getgid()
    listener.close()


def test_a_group_that_does_not_exist_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="no group 'no-such-group'"):
        listen(ListenerSettings(tmp_path / "api.sock", group="no-such-group"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SocketUnavailable, match="is no socket; it is left alone"):
        listen(ListenerSettings(tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_symbolic_link_is_left_alone(tmp_path: Path) -> None:
    a_dead_socket(tmp_path / "real.sock")
    (tmp_path / "api.sock").symlink_to(tmp_path / "real.sock")
    with pytest.raises(SocketUnavailable, match="is no socket"):
        listen(ListenerSettings(tmp_path / "api.sock"))


def test_a_socket_that_nobody_serves_is_replaced(tmp_path: Path) -> None:
    path = a_dead_socket(tmp_path / "api.sock")
    listener = listen(ListenerSettings(path))
    assert can_connect(path)
    listener.close()


def test_a_socket_that_someone_serves_is_refused(tmp_path: Path) -> None:
    first = listen(ListenerSettings(tmp_path / "api.sock"))
    with pytest.raises(SocketUnavailable, match="another process listens"):
        listen(ListenerSettings(tmp_path / "api.sock"))
    assert can_connect(tmp_path / "api.sock")
    first.close()


def test_closing_leaves_the_socket_of_a_successor(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    first = listen(ListenerSettings(path))
    first.sock.close()
    second = listen(ListenerSettings(path))
    first.close()
    assert can_connect(path)
    second.close()
    assert not path.exists()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="is no folder; make it"):
        listen(ListenerSettings(tmp_path / "run" / "api.sock"))


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="at most 107 bytes"):
        listen(ListenerSettings(tmp_path / ("x" * 108)))
