"""What the doctor says of the place of a store: permissions, room, file system, names."""

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.cli._doctor_places import look_at_place
from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

NOBODY = 65534

Look = Callable[..., Any]


def test_open_permissions_are_a_problem_that_the_remedies_solve(
    look: Look, database: Path, use: Callable[..., subprocess.Popen[str]]
) -> None:
    assert use("die", database).wait() == -signal.SIGKILL
    log = Path(f"{database}-wal")
    database.chmod(0o664)
    log.chmod(0o640)
    database.parent.chmod(0o777)
    problems = look("--store-path", database).problems()
    assert [found for _, found, _ in problems] == [
        f"others may use {database} (mode 0664)",
        f"others may use {log} (mode 0640)",
        f"others may put files into {database.parent} (mode 0777)",
    ]
    for _, _, remedy in problems:
        subprocess.run(remedy, shell=True, check=True)
    assert look("--store-path", database).of("permissions") == ("ok", "the owner's alone")
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_helper_files_that_looking_makes_are_named_at_once(look: Look, healthy: Path) -> None:
    healthy.chmod(0o644)
    problems = look("--store-path", healthy).problems()
    assert [found for _, found, _ in problems] == [
        f"others may use {healthy}{end} (mode 0644)" for end in ("", "-wal", "-shm")
    ]


def test_a_folder_that_others_may_look_into_is_only_noted(look: Look, healthy: Path) -> None:
    healthy.parent.chmod(0o755)
    found = f"others may look into {healthy.parent} (mode 0755)"
    assert look("--store-path", healthy).of("permissions") == ("note", found)


def test_another_owner_of_the_log_is_a_problem(look: Look, healthy: Path) -> None:
    log = Path(f"{healthy}-wal")
    log.touch(0o600)
    other = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(log, other, -1)
    expected = f"{log} has another owner than the store"
    problems = [found for _, found, _ in look("--store-path", healthy).problems()]
    assert problems == ([expected] if other != os.geteuid() else [])


def test_a_file_of_another_user_is_a_problem(
    look: Look, healthy: Path, as_user: Callable[[], None]
) -> None:
    healthy.chmod(0o000)
    problems = look("--store-path", healthy, preexec_fn=as_user).problems()
    assert problems[0][0] == "file"
    assert problems[0][1].startswith("cannot be opened")
    assert problems[1][1] == f"{healthy} cannot be read and written by this user"


def test_a_place_that_cannot_be_looked_at_is_a_problem(
    look: Look, healthy: Path, tmp_path: Path, as_user: Callable[[], None]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    (tmp_path / "loop").symlink_to("loop")
    for path, reason in [
        (healthy / "x.sqlite3", "Not a directory"),
        (tmp_path / "loop" / "x.sqlite3", "Too many levels of symbolic links"),
        (closed / "x.sqlite3", "Permission denied"),
    ]:
        ((check, found, _),) = look("--store-path", path, preexec_fn=as_user).problems()
        assert (check, found) == ("store", f"{path} cannot be looked at ({reason})")


def test_a_folder_where_no_store_can_be_made_is_a_problem(
    look: Look, tmp_path: Path, as_user: Callable[[], None]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    path = closed / "new" / "retries.sqlite3"
    ((check, found, _),) = look("--store-path", path, preexec_fn=as_user).problems()
    assert (check, found) == ("permissions", f"this user cannot write into {closed}")


def test_a_disk_without_room_is_a_problem(look: Look) -> None:
    seen = look("--store-path", "/proc/localqueue/retries.sqlite3")
    assert ("free space", "0.0 MB are left", "free some disk space") in seen.problems()


def test_a_network_file_system_is_a_problem(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network file system is at hand here, so that one is only claimed."""
    monkeypatch.setattr("localqueue.core._filesystem.filesystem_type", lambda text, device: "nfs4")
    (finding,) = (each for each in look_at_place(str(healthy)) if each.check == "file system")
    assert finding.status == "problem"
    assert "nfs4" in finding.found
    assert finding.remedy == "put the store on a local disk"


@pytest.mark.parametrize("name", [
    b"a b.sqlite3", b"50%?x#y&mode=rwc.sqlite3", b"[red]\x1b[31m\n.sqlite3", "\u202eabc".encode(), b"\xff.sqlite3",
])  # fmt: skip
def test_any_name_of_a_file_will_do(
    look: Look,
    terminal: Callable[..., Any],
    plain: Callable[[str], str],
    tmp_path: Path,
    name: bytes,
) -> None:
    path = tmp_path / os.fsdecode(name)
    with SQLiteAttemptStore(path) as store:
        store.save("job:1", RetryRecord(1, 1.0))
    files = set(tmp_path.iterdir())
    assert look("--store-path", path).of("store") == ("ok", str(path))
    made = set(tmp_path.iterdir()) - files
    assert made == {Path(f"{path}-wal"), Path(f"{path}-shm")}
    status, shown = terminal("doctor", "--store-path", path).end()
    assert status == 0
    assert "\x1b[31m" not in shown
    assert plain(shown).isascii()
