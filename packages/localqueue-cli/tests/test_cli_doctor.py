"""``localqueue doctor``: what it finds, what it says to do, and that it changes nothing."""

import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localqueue.cli._doctor_places import look_at_place
from localqueue.cli._doctor_sqlite import has_wal_reset_bug
from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

USER = Path(__file__).parent / "programs" / "cli_store_user.py"
NOBODY = 65534
ALWAYS = ["versions", "SQLite", "settings", "store", "file system", "free space"]
OF_A_STORE = ["format", "write-ahead log", "integrity", "clock", "permissions"]

Run = Callable[..., Any]
Fill = Callable[[dict[str, RetryRecord]], None]


class Seen(NamedTuple):
    status: int
    findings: list[dict[str, str]]

    def problems(self) -> list[tuple[str, str, str]]:
        return [self._told(each) for each in self.findings if each["status"] == "problem"]

    def of(self, check: str) -> tuple[str, str]:
        (each,) = (each for each in self.findings if each["check"] == check)
        return each["status"], each["found"]

    @staticmethod
    def _told(finding: dict[str, str]) -> tuple[str, str, str]:
        return finding["check"], finding["found"], finding["remedy"]


@pytest.fixture
def look(localqueue: Run) -> Callable[..., Seen]:
    def run(*arguments: object, **options: Any) -> Seen:
        done = localqueue("doctor", *arguments, **options)
        seen = Seen(done.returncode, json.loads(done.stdout))
        count = len(seen.problems())
        words = "1 problem was" if count == 1 else f"{count} problems were"
        assert done.stderr == (f"{words} found\n" if count else "")
        assert seen.status == bool(count)
        assert all(each["remedy"] for each in seen.findings if each["status"] == "problem")
        return seen

    return run


@pytest.fixture
def healthy(database: Path, fill: Fill) -> Path:
    """A store that nothing is wrong with."""
    now = time.time()
    fill(
        {
            "job:waits": RetryRecord(1, now - 10, last_attempt_at=now, next_attempt_at=now + 9e6),
            "job:spent": RetryRecord(3, now - 9, exhausted=True, exhausted_at=now - 1),
        }
    )
    return database


@pytest.fixture
def use() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program that uses the store; wait until it does."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", USER, *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        output = started[-1].stdout
        assert output is not None
        assert output.readline() in {"ready\n", ""}
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_nothing_there_is_fine_and_stays_so(look: Callable[..., Seen], env: dict[str, str]) -> None:
    seen = look()
    home = Path(env["HOME"])
    path = home / ".local" / "share" / "localqueue" / "retries.sqlite3"
    assert seen.of("store") == ("ok", f"{path} is not there yet; its first use makes it")
    config = home / ".config" / "localqueue" / "config.toml"
    assert seen.of("settings") == ("ok", f"{config} is not there: defaults")
    assert [each["check"] for each in seen.findings] == ALWAYS
    assert list(home.iterdir()) == []


def test_a_healthy_store_is_well_and_unchanged(look: Callable[..., Seen], healthy: Path) -> None:
    before = digest(healthy)
    seen = look("--store-path", healthy)
    assert [each["check"] for each in seen.findings] == ALWAYS + OF_A_STORE
    assert seen.of("store") == ("ok", str(healthy))
    assert seen.of("permissions") == ("ok", "the owner's alone")
    assert seen.of("format") == ("ok", "2")
    assert seen.of("integrity") == ("ok", "the quick check found nothing")
    assert seen.of("clock") == ("ok", "no record is from the future")
    assert "localqueue-cli 2." in seen.of("versions")[1]
    assert sqlite3.sqlite_version in seen.of("SQLite")[1]
    assert digest(healthy) == before


def test_the_store_is_the_configured_one_or_the_named_one(
    look: Callable[..., Seen], localqueue: Run, healthy: Path
) -> None:
    localqueue("config", "set", "retry_store_path", healthy)
    for options in ([], ["--store-path", healthy.name], ["--store", f"sqlite://{healthy}"]):
        assert look(*options).of("store") == ("ok", str(healthy))
    assert look("--store", "memory:").of("store") == ("ok", "memory:")
    assert look("--store", "memory:").of("records") == ("ok", "0 can be read")


@pytest.mark.parametrize("arguments", [
    ["--store", "memory:", "--store-path", "x"], ["--store", "nowhere:"], ["--store", "x"],
    ["--store", "sqlite://host/x"], ["--store-path", ""], ["x"], ["-o", "xml"], ["--nope"],
])  # fmt: skip
def test_a_wrong_use_ends_with_2(localqueue: Run, arguments: list[str]) -> None:
    done = localqueue("doctor", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_the_table_of_a_terminal_ends_with_the_same_status(
    terminal: Callable[..., Any], plain: Callable[[str], str], healthy: Path
) -> None:
    status, shown = terminal("doctor", "--store-path", healthy).end()
    lines = [" ".join(line.split()) for line in plain(shown).splitlines()]
    assert status == 0
    assert lines[0] == "check status found"
    assert "integrity ok the quick check found nothing" in lines
    healthy.chmod(0o644)
    status, shown = terminal("doctor", "--store-path", healthy, "-o", "table").end()
    assert status == 1
    assert plain(shown).endswith(" found\n")
    assert "\nWhat to do:\n" in plain(shown)
    assert f"\n  permissions: chmod 600 {healthy}\n" in plain(shown)


def test_help_has_an_example_and_every_output_works(localqueue: Run, healthy: Path) -> None:
    assert "  localqueue doctor --store-path " in localqueue("doctor", "--help").stdout
    options = ["doctor", "--store-path", healthy, "--output"]
    rows = [json.loads(line) for line in localqueue(*options, "ndjson").stdout.splitlines()]
    assert rows[0]["check"] == "versions"
    assert [row["check"] for row in json.loads(localqueue(*options, "json").stdout)] == [
        row["check"] for row in rows
    ]
    assert localqueue(*options, "table").stdout.startswith("check")


# --- settings and versions ------------------------------------------------------------------------


def test_a_broken_settings_file_is_a_problem_and_hides_which_store_is_meant(
    look: Callable[..., Seen], env: dict[str, str], healthy: Path
) -> None:
    file = Path(env["HOME"]) / ".config" / "localqueue" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# x\nbroken\n")
    seen = look()
    ((check, found, _),) = seen.problems()
    assert check == "settings"
    assert found.startswith(f"{file}, line 2: is not valid TOML")
    assert "store" not in {each["check"] for each in seen.findings}
    named = look("--store-path", healthy)
    assert [check for check, _, _ in named.problems()] == ["settings"]
    assert named.of("integrity")[0] == "ok"


def test_settings_of_an_older_version_are_noted_each_time(
    look: Callable[..., Seen], env: dict[str, str], healthy: Path
) -> None:
    old = Path(env["HOME"]) / ".config" / "localqueue" / "config.yaml"
    old.parent.mkdir(parents=True)
    old.write_text("retry_store_path: /x\n")
    for _ in range(2):
        notes = [each["found"] for each in look("--store-path", healthy).findings]
        assert any(note.startswith(f"{old} is of localqueue 0.x") for note in notes)


def test_distributions_of_different_versions_are_a_problem(
    look: Callable[..., Seen], env: dict[str, str], tmp_path: Path, healthy: Path
) -> None:
    metadata = tmp_path / "left" / "localqueue_left-1.4.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: localqueue-left\nVersion: 1.4.1\n")
    env["PYTHONPATH"] = str(tmp_path / "left")
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "versions"
    assert "localqueue-left 1.4.1" in found
    assert remedy == "upgrade all of them to one version"


@pytest.mark.parametrize(("version", "has_bug"), [
    ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
    ((3, 44, 9), False), ((3, 45, 0), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 0), True),
    ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False), ((4, 0, 0), False),
])  # fmt: skip
def test_the_versions_of_sqlite_with_the_bug(version: tuple[int, int, int], has_bug: bool) -> None:
    assert has_wal_reset_bug(version) == has_bug


# --- the place ------------------------------------------------------------------------------------


def test_open_permissions_are_a_problem_that_the_remedies_solve(
    look: Callable[..., Seen], database: Path, use: Callable[..., subprocess.Popen[str]]
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


def test_helper_files_that_looking_makes_are_named_at_once(
    look: Callable[..., Seen], healthy: Path
) -> None:
    healthy.chmod(0o644)
    problems = look("--store-path", healthy).problems()
    assert [found for _, found, _ in problems] == [
        f"others may use {healthy}{end} (mode 0644)" for end in ("", "-wal", "-shm")
    ]


def test_a_folder_that_others_may_look_into_is_only_noted(
    look: Callable[..., Seen], healthy: Path
) -> None:
    healthy.parent.chmod(0o755)
    found = f"others may look into {healthy.parent} (mode 0755)"
    assert look("--store-path", healthy).of("permissions") == ("note", found)


def test_another_owner_of_the_log_is_a_problem(look: Callable[..., Seen], healthy: Path) -> None:
    log = Path(f"{healthy}-wal")
    log.touch(0o600)
    other = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(log, other, -1)
    expected = f"{log} has another owner than the store"
    problems = [found for _, found, _ in look("--store-path", healthy).problems()]
    assert problems == ([expected] if other != os.geteuid() else [])


def test_a_file_of_another_user_is_a_problem(
    look: Callable[..., Seen], healthy: Path, as_user: Callable[[], None]
) -> None:
    healthy.chmod(0o000)
    problems = look("--store-path", healthy, preexec_fn=as_user).problems()
    assert problems[0][0] == "file"
    assert problems[0][1].startswith("cannot be opened")
    assert problems[1][1] == f"{healthy} cannot be read and written by this user"


def test_a_place_that_cannot_be_looked_at_is_a_problem(
    look: Callable[..., Seen], healthy: Path, tmp_path: Path, as_user: Callable[[], None]
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
    look: Callable[..., Seen], tmp_path: Path, as_user: Callable[[], None]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    path = closed / "new" / "retries.sqlite3"
    ((check, found, _),) = look("--store-path", path, preexec_fn=as_user).problems()
    assert (check, found) == ("permissions", f"this user cannot write into {closed}")


def test_a_disk_without_room_is_a_problem(look: Callable[..., Seen]) -> None:
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
    look: Callable[..., Seen],
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


# --- what is in the file --------------------------------------------------------------------------


def make_text(path: Path) -> None:
    path.write_text("not a database, " * 64)


def make_cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def make_foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.close()
    path.chmod(0o600)


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()


def make_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(("make", "problem"), [
    (make_text, "is not a SQLite database"),
    (make_cut_off, "is cut off in the middle of a page, or is no database"),
    (make_folder, "is a folder"),
    (make_foreign, "is another program's database"),
    (make_newer, "was written by a newer localqueue (format 99)"),
    (make_dangling, "cannot be created (No such file or directory)"),
])  # fmt: skip
def test_what_is_no_store_of_ours_is_a_problem_and_stays_as_it_is(
    look: Callable[..., Seen], healthy: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(healthy)
    before = digest(healthy) if healthy.is_file() else ""
    ((check, found, _),) = look("--store-path", healthy).problems()
    assert (check, found) == ("file", problem)
    assert (digest(healthy) if healthy.is_file() else "") == before


@pytest.mark.parametrize(("offset", "damage", "check"), [
    (3, b"\0\1", "integrity"),
    (0, bytes(4096), "file"),
])  # fmt: skip
def test_damage_inside_is_a_problem(
    look: Callable[..., Seen], database: Path, fill: Fill, offset: int, damage: bytes, check: str
) -> None:
    record = RetryRecord(1, 1.0, last_error_message="x" * 200)
    fill({f"job:{number:04}": record for number in range(500)})
    assert look("--store-path", database).problems() == []
    page = 4096
    with database.open("r+b") as file:
        file.seek(page * (database.stat().st_size // page // 2) + offset)
        file.write(damage)
    before = digest(database)
    (problem,) = look("--store-path", database).problems()
    assert problem[0] == check
    assert problem[1].startswith("is damaged")
    assert "restore a backup" in problem[2]
    assert digest(database) == before


def test_an_empty_file_is_fine(look: Callable[..., Seen], database: Path) -> None:
    database.touch(0o600)
    assert look("--store-path", database).of("format") == (
        "ok",
        "empty; its first use makes the tables",
    )
    assert database.stat().st_size == 0


def test_a_store_of_an_older_version_is_noted_and_not_upgraded(
    look: Callable[..., Seen], database: Path, use: Callable[..., Any]
) -> None:
    use("old", database).wait()
    before = digest(database)
    assert look("--store-path", database).of("format") == ("note", "of localqueue 0.x")
    assert digest(database) == before
    with SQLiteAttemptStore(database) as store:
        assert store.load("job:old") == RetryRecord(1, 1.0)
    assert look("--store-path", database).of("format") == ("ok", "2")


def test_records_from_the_future_are_a_problem(
    look: Callable[..., Seen], healthy: Path, fill: Fill
) -> None:
    now = time.time()
    fill({"job:late": RetryRecord(1, now, last_attempt_at=now + 30)})
    assert look("--store-path", healthy).of("clock")[0] == "ok"
    fill({"job:later": RetryRecord(1, now, last_error_at=now + 86400 * 9)})
    fill({"job:latest": RetryRecord(1, 1.0, exhausted=True, exhausted_at=1e300)})
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "clock"
    assert found.startswith("2 records are from the future, the newest from 1e+300")
    assert "set the clock" in remedy


def test_a_log_that_has_grown_is_a_problem(look: Callable[..., Seen], healthy: Path) -> None:
    reader = sqlite3.connect(healthy, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchall()
    with SQLiteAttemptStore(healthy) as store:
        for number in range(70):
            store.save(f"job:{number}", RetryRecord(1, 1.0, last_error_message="x" * 1_000_000))
        ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert check == "write-ahead log"
    assert found.startswith("has grown to 7")
    assert "process" in remedy
    reader.close()
    with SQLiteAttemptStore(healthy) as store:
        store.delete("job:1")
    assert look("--store-path", healthy).of("write-ahead log")[0] == "ok"


# --- a store in use -------------------------------------------------------------------------------


def test_a_store_in_use_is_well_and_its_user_notices_nothing(
    look: Callable[..., Seen], database: Path, use: Callable[..., subprocess.Popen[str]]
) -> None:
    user = use("write", database, 20_000)
    looks = 0
    while user.poll() is None:
        assert look("--store-path", database).problems() == []
        looks += 1
    assert user.returncode == 0
    assert looks > 0
    with SQLiteAttemptStore(database) as store:
        assert len(store.records(prefix="job:", limit=30_000)) == 20_001


def test_the_log_of_a_killed_process_is_read_and_left(
    look: Callable[..., Seen], database: Path, use: Callable[..., subprocess.Popen[str]]
) -> None:
    assert use("die", database).wait() == -signal.SIGKILL
    log = Path(f"{database}-wal")
    before = digest(database), digest(log)
    assert look("--store-path", database).of("format") == ("ok", "2")
    assert (digest(database), digest(log)) == before


def test_a_store_that_is_held_is_a_problem_and_ctrl_c_ends_the_wait(
    look: Callable[..., Seen],
    terminal: Callable[..., Any],
    healthy: Path,
    use: Callable[..., subprocess.Popen[str]],
) -> None:
    holder = use("hold", healthy)
    ((check, found, remedy),) = look("--store-path", healthy).problems()
    assert (check, found) == ("file", "is locked by another process")
    assert remedy == "try again, or raise the timeout"
    waiting = terminal("doctor", "--store-path", healthy)
    time.sleep(1)
    waiting.type("\x03")
    assert waiting.end() == (-signal.SIGINT, "^C")
    holder.communicate("\n")
    assert look("--store-path", healthy).problems() == []
