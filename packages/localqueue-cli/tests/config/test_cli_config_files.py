"""The settings file: comments, links and permissions stay; damage is named; nothing is lost."""

import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534

COMMENTED = """\
# Mine.
dead_letter_ttl_seconds = 1 # a day, soon

# Another.
retry_record_ttl_seconds = 2
# The end.
"""

Run = Callable[..., Any]
Write = Callable[[Path, str], None]


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# --- what a change leaves as it was -------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [
    (COMMENTED, COMMENTED.replace(" = 2", " = 60")),
    ("# only a comment", "# only a comment\nretry_record_ttl_seconds = 60\n"),
    ("", "retry_record_ttl_seconds = 60\n"),
    ("store_path = '/a'", "store_path = '/a'\nretry_record_ttl_seconds = 60\n"),
    ("store_path = '/a' # x\r\n", "store_path = '/a' # x\r\nretry_record_ttl_seconds = 60\n"),
    ("\"retry_record_ttl_seconds\" = 1_0\n", "\"retry_record_ttl_seconds\" = 60\n"),
    ("# x\n[other]\na = 1\n", "# x\nretry_record_ttl_seconds = 60\n\n[other]\na = 1\n"),
    ("\ufeff# with a mark\n", "# with a mark\nretry_record_ttl_seconds = 60\n"),
])  # fmt: skip
def test_comments_and_all_else_stay(
    localqueue: Run, file: Path, write: Write, before: str, after: str
) -> None:
    write(file, before)
    assert localqueue("config", "set", "retry_record_ttl_seconds", "60").returncode == 0
    assert file.read_bytes().decode() == after


def test_unset_takes_out_one_line(localqueue: Run, file: Path, write: Write) -> None:
    write(file, COMMENTED)
    assert localqueue("config", "unset", "dead_letter_ttl_seconds").returncode == 0
    assert file.read_text() == COMMENTED.replace("dead_letter_ttl_seconds = 1 # a day, soon\n", "")


def test_a_change_that_changes_nothing_leaves_the_file_alone(
    localqueue: Run, file: Path, write: Write
) -> None:
    write(file, COMMENTED)
    before = file.stat()
    assert localqueue("config", "set", "retry_record_ttl_seconds", "2").returncode == 0
    assert localqueue("config", "unset", "store_path").returncode == 0
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_is_no_setting_can_be_taken_out(localqueue: Run, file: Path, write: Write) -> None:
    write(file, "retry_store_pth = '/x'\nstore_path = '/y'\n")
    assert localqueue("config", "get", "store_path").returncode == 1
    assert localqueue("config", "unset", "retry_store_pth").returncode == 0
    assert file.read_text() == "store_path = '/y'\n"
    assert localqueue("config", "get", "store_path").stdout == "/y\n"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_changed_file_is_its_owners_alone(
    localqueue: Run, file: Path, write: Write, umask: int
) -> None:
    write(file, COMMENTED)
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(file, owner, -1)
    assert localqueue("config", "set", "store_path", "/x", umask=umask).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_uid == owner
    assert names_in(file.parent) == ["config.toml"]


def test_a_linked_file_stays_a_link(
    localqueue: Run, file: Path, write: Write, tmp_path: Path
) -> None:
    real = tmp_path / "dotfiles" / "mine.toml"
    real.parent.mkdir()
    write(real, COMMENTED)
    middle = tmp_path / "middle.toml"
    middle.symlink_to("dotfiles/mine.toml")
    file.symlink_to(middle)
    assert localqueue("config", "set", "store_path", "/x").returncode == 0
    assert file.readlink() == middle
    assert middle.readlink() == Path("dotfiles/mine.toml")
    assert real.read_text() == COMMENTED + 'store_path = "/x"\n'
    assert names_in(real.parent) == ["mine.toml"]
    assert names_in(file.parent) == ["config.toml"]


def test_a_link_to_nothing_is_given_its_file(localqueue: Run, file: Path, tmp_path: Path) -> None:
    file.symlink_to(tmp_path / "new" / "mine.toml")
    assert localqueue("config", "show").returncode == 0
    assert localqueue("config", "init").returncode == 0
    assert file.is_symlink()
    assert names_in(tmp_path / "new") == ["mine.toml"]


# --- a file that cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(("text", "line", "problem"), [
    ("store_path = \n", 1, "is not valid TOML: Invalid value"),
    ("# x\n\nstore_path = '/a'\nstore_path = '/b'\n", 4, "is not valid TOML: Cannot overwrite a value"),
    ("store_path = '''/a\n\n", 3, "is not valid TOML: Expected \"'''\""),
    ("a = 1\nb = \x1b[31m\n", 2, "is not valid TOML: Invalid value"),
    ("# x\nretry_store_pth = '/a'\n", 2, "there is no setting 'retry_store_pth'; did you mean 'retry_store_path'?"),
    ("[\"\\u001b]0;x\"]\n", None, r"there is no setting '\x1b]0;x'"),
    ("\n\n[tables]\n", 3, "there is no setting 'tables'"),
    ("retry_record_ttl_seconds = -1\n", 1, "retry_record_ttl_seconds must be 0 or more seconds, not -1"),
    ("retry_record_ttl_seconds = inf\n", 1, "retry_record_ttl_seconds must be 0 or more seconds, not inf"),
    ("retry_record_ttl_seconds = nan\n", 1, "retry_record_ttl_seconds must be 0 or more seconds, not nan"),
    ("retry_record_ttl_seconds = true\n", 1, "retry_record_ttl_seconds must be a number of seconds, not True"),
    ("\nretry_record_ttl_seconds = '7d'\n", 2, "retry_record_ttl_seconds must be a number of seconds, not '7d'"),
    ("store_path = 1\n", 1, "store_path must be the path of a file, not 1"),
    ("store_path = \"/a\\u0000\"\n", 1, r"store_path must be the path of a file, not '/a\x00'"),
    ("store_path = 'a/b'\n", 1, "store_path must be an absolute path, not 'a/b'"),
    ("store_path = 'sqlite:///a'\n", 1, "store_path must be the path of a SQLite file and no URL"),
    (f"a = {'[' * 5000}", None, "is not valid TOML: it is nested too deeply"),
    (f"a = {'9' * 5000}", None, "is not valid TOML: "),
])  # fmt: skip
def test_a_broken_file_is_named_with_its_line(
    localqueue: Run, file: Path, write: Write, text: str, line: int | None, problem: str
) -> None:
    write(file, text)
    shown = localqueue("config", "show")
    place = f"{file}" if line is None else f"{file}, line {line}"
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"localqueue: {place}: {problem}")
    assert shown.stderr.count("\n") == 1
    assert file.read_bytes() == text.encode()


def test_a_file_that_is_not_utf_8_is_named_with_its_line(localqueue: Run, file: Path) -> None:
    file.write_bytes(b"# x\nstore_path = '/\xff'\n")
    for command in (["show"], ["get", "store_path"], ["set", "store_path", "/x"], ["init"]):
        done = localqueue("config", *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"localqueue: {file}, line 2: is not UTF-8 text\n"


@pytest.mark.parametrize("arguments", [
    ["--version"], ["--help"], ["config", "--help"], ["config", "set", "--help"], ["config", "path"],
    ["retry", "--help"], ["doctor", "--help"], ["retry", "list", "--store", "memory:", "--help"],
])  # fmt: skip
def test_a_broken_file_stops_nothing_that_does_not_need_it(
    localqueue: Run, file: Path, write: Write, arguments: list[str]
) -> None:
    whole = localqueue(*arguments)
    write(file, "broken\n")
    done = localqueue(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, whole.stdout, "")


def test_a_file_that_is_no_toml_is_not_changed(localqueue: Run, file: Path, write: Write) -> None:
    write(file, "# mine\nbroken\n")
    for command in (["set", "store_path", "/x"], ["unset", "store_path"], ["unset", "broken"]):
        done = localqueue("config", *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"localqueue: {file}, line 2: is not valid TOML: ")
    assert file.read_text() == "# mine\nbroken\n"
    assert names_in(file.parent) == ["config.toml"]


def make_folder(file: Path) -> None:
    file.mkdir()


def make_pipe(file: Path) -> None:
    os.mkfifo(file)


def make_link_to_a_device(file: Path) -> None:
    file.symlink_to("/dev/null")


def make_loop(file: Path) -> None:
    file.symlink_to(file.name)


def make_unreadable(file: Path) -> None:
    file.write_text(COMMENTED)
    file.chmod(0o000)


@pytest.mark.parametrize(("make", "problem"), [
    (make_folder, "is not a regular file"),
    (make_pipe, "is not a regular file"),
    (make_link_to_a_device, "is not a regular file"),
    (make_loop, "cannot be read (Too many levels of symbolic links)"),
    (make_unreadable, "cannot be read (Permission denied)"),
])  # fmt: skip
def test_what_cannot_be_read_is_named_and_left(
    localqueue: Run,
    file: Path,
    as_user: Callable[[], None],
    make: Callable[[Path], None],
    problem: str,
) -> None:
    make(file)
    kind = stat.S_IFMT(file.lstat().st_mode)
    for command in (["show"], ["get", "store_path"], ["set", "store_path", "/x"]):
        done = localqueue("config", *command, preexec_fn=as_user)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"localqueue: {file}: {problem}\n"
    assert stat.S_IFMT(file.lstat().st_mode) == kind
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_folder_that_cannot_be_written_is_named(
    localqueue: Run, file: Path, write: Write, as_user: Callable[[], None]
) -> None:
    write(file, COMMENTED)
    file.parent.chmod(0o500)
    done = localqueue("config", "set", "store_path", "/x", preexec_fn=as_user)
    file.parent.chmod(0o700)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"localqueue: {file}: cannot be written (Permission denied)\n"
    assert file.read_text() == COMMENTED


def test_a_disk_without_room_keeps_the_old_file(localqueue: Run, file: Path, write: Write) -> None:
    write(file, COMMENTED)

    def take_the_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    done = localqueue("config", "set", "store_path", "/x", preexec_fn=take_the_room)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"localqueue: {file}: cannot be written (File too large)\n"
    assert file.read_text() == COMMENTED
    assert names_in(file.parent) == ["config.toml"]


# --- settings of localqueue 0.x -----------------------------------------------------------------


def advice(file: Path) -> str:
    return (
        f"{file.with_name('config.yaml')} is of localqueue 0.x and is not read any more:"
        " give its values to 'localqueue config set', then remove it\n"
    )


def test_old_settings_are_mentioned_once(localqueue: Run, file: Path, write: Write) -> None:
    write(file.with_name("config.yaml"), "retry_store_path: /old.sqlite3\n")
    for command in (["--version"], ["config", "path"], ["config", "--help"]):
        assert localqueue(*command).stderr == ""
    assert localqueue("retry", "list").stderr.startswith(advice(file))
    missing = f"localqueue: {file}: store_path is not set\n"
    for _ in range(2):
        assert localqueue("config", "get", "store_path").stderr == missing


def test_old_settings_are_mentioned_where_one_looks_for_settings(
    localqueue: Run, file: Path, write: Write
) -> None:
    write(file.with_name("config.yaml"), "retry_store_path: /old.sqlite3\n")
    assert advice(file) in localqueue("config", "set", "store_path", "/x").stderr
    assert "0.x" not in localqueue("config", "get", "store_path").stderr
    assert localqueue("config", "show").stderr == advice(file)
    file.unlink()
    assert advice(file) in localqueue("config", "init").stderr


def test_old_settings_beside_new_ones_are_not_in_the_way(
    localqueue: Run, file: Path, write: Write
) -> None:
    write(file.with_name("config.yaml"), "retry_store_path: /old.sqlite3\n")
    write(file, COMMENTED)
    assert localqueue("config", "get", "dead_letter_ttl_seconds").stderr == ""
    assert names_in(file.parent) == ["config.toml", "config.yaml"]


def test_old_settings_are_mentioned_again_where_nothing_can_be_noted(
    localqueue: Run, file: Path, write: Write, as_user: Callable[[], None]
) -> None:
    write(file.with_name("config.yaml"), "retry_store_path: /old.sqlite3\n")
    file.parent.chmod(0o500)
    for _ in range(2):
        done = localqueue("config", "get", "store_path", preexec_fn=as_user)
        assert done.stderr.startswith(advice(file))
    file.parent.chmod(0o700)
