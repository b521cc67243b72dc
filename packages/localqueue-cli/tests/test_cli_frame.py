"""What holds for every command: help, version, errors of one sentence, and a quiet end."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.cli import __version__
from localqueue.core import RetryRecord

COMMANDS = [
    (),
    ("retry",),
    *(("retry", name) for name in ("list", "show", "reset", "stats", "prune", "run")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    localqueue: Callable[..., Any], command: tuple[str, ...]
) -> None:
    shown = localqueue(*command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "  localqueue retry " in shown.stdout
    assert localqueue(*command, "-h").stdout == shown.stdout


def test_the_version_is_one_line(localqueue: Callable[..., Any]) -> None:
    shown = localqueue("--version")
    assert (shown.returncode, shown.stdout) == (0, f"localqueue {__version__}\n")


def test_the_module_is_the_same_program(env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "localqueue.cli", "retry", "nonsense"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Usage: localqueue retry" in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("retrey",), "'retry'"), (("retry", "lst"), "'list'"), (("retry", "list", "--lim"), "limit")],
)
def test_a_typing_mistake_gets_a_suggestion(
    localqueue: Callable[..., Any], typed: tuple[str, ...], meant: str
) -> None:
    done = localqueue(*typed)
    assert done.returncode == 2
    assert meant in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(
    localqueue: Callable[..., Any], env: dict[str, str], shell: str
) -> None:
    done = localqueue(env=env | {"_LOCALQUEUE_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0
    assert f"_LOCALQUEUE_COMPLETE={shell}_complete" in done.stdout


def test_completion_knows_the_commands(localqueue: Callable[..., Any], env: dict[str, str]) -> None:
    asked = {"COMP_WORDS": "localqueue retry s", "COMP_CWORD": "2"}
    done = localqueue(env=env | asked | {"_LOCALQUEUE_COMPLETE": "bash_complete"})
    assert done.stdout.splitlines() == ["plain,show", "plain,stats"]


def test_help_and_version_import_click_only(env: dict[str, str]) -> None:
    program = (
        "import sys, localqueue.cli\n"
        "sys.argv = ['localqueue', sys.argv[1]]\n"
        "try:\n    localqueue.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'tomlkit', 'tomllib', 'tenacity', 'sqlite3', 'localqueue.core'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))))"
    )
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", program, option]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.stderr == "[]\n"


def test_an_error_is_one_sentence_and_debug_shows_where_it_came_from(
    localqueue: Callable[..., Any], database: Path
) -> None:
    database.write_text("this is no database at all")
    command = ("retry", "list", "--store-path", database)
    done = localqueue(*command)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"localqueue: {database}: ")
    for shown in (localqueue(*command, "--debug"), localqueue("--debug", *command)):
        assert shown.returncode == 1
        assert shown.stderr.startswith("Traceback ")
        assert shown.stderr.endswith(done.stderr)


def test_a_store_that_is_not_there_is_not_made(
    localqueue: Callable[..., Any], tmp_path: Path, env: dict[str, str]
) -> None:
    named = tmp_path / "typing" / "mistake.sqlite3"
    default = Path(env["HOME"]) / ".local/share/localqueue/retries.sqlite3"
    for place, options in ((named, ("--store-path", named)), (default, ())):
        done = localqueue("retry", "list", *options)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"localqueue: {place}: there is no store yet\n"
        assert not place.parent.exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--store", "sqlite:///a", "--store-path", "/a"), 2, "not both"),
        (("--store", "nonsense"), 2, "is not a store URL"),
        (("--store", "gopher:///a"), 2, "no store is known for the scheme 'gopher'"),
        (("--store", "sqlite://host/a"), 2, "three slashes"),
        (("--store-path", ""), 2, "is empty"),
        (("--limit", "0"), 2, "--limit"),
        (("--after", b"\xff"), 2, "UTF-8"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    start: Callable[..., subprocess.Popen[str]], options: tuple[Any, ...], status: int, said: str
) -> None:
    process = start("retry", "list", *(os.fsdecode(option) for option in options))
    _, err = process.communicate()
    assert process.returncode == status
    assert said in err
    assert "Traceback" not in err


def test_a_url_names_the_store(
    localqueue: Callable[..., Any],
    database: Path,
    fill: Callable[[dict[str, RetryRecord]], None],
) -> None:
    fill({"a": RetryRecord(attempts=1, first_attempt_at=1.0)})
    done = localqueue("retry", "list", "--store", f"sqlite://{database}")
    assert (done.returncode, '"key": "a"' in done.stdout) == (0, True)


def test_a_reader_that_goes_away_ends_the_list_quietly(
    start: Callable[..., subprocess.Popen[str]],
    database: Path,
    fill: Callable[[dict[str, RetryRecord]], None],
) -> None:
    fill({f"job:{n:05}": RetryRecord(attempts=1, first_attempt_at=1.0) for n in range(2000)})
    listing = start("retry", "list", "--limit", 2000, "-o", "ndjson", "--store-path", database)
    assert listing.stdout is not None
    assert listing.stdout.readline().startswith('{"key": "job:00000"')
    listing.stdout.close()
    assert listing.wait(30) == -signal.SIGPIPE
    assert listing.stderr is not None
    assert listing.stderr.read() == ""


def test_a_full_disk_behind_the_output_is_an_error(
    localqueue: Callable[..., Any],
    database: Path,
    fill: Callable[[dict[str, RetryRecord]], None],
) -> None:
    fill({"a": RetryRecord(attempts=1, first_attempt_at=1.0)})
    with Path("/dev/full").open("w") as full:
        done = localqueue(
            "retry", "list", "--store-path", database,
            capture_output=False, stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "localqueue: the output cannot be written: No space left on device\n"


def test_ctrl_c_ends_a_waiting_command_quietly_and_changes_nothing(
    start: Callable[..., subprocess.Popen[str]],
    database: Path,
    fill: Callable[[dict[str, RetryRecord]], None],
    stored: Callable[[str], RetryRecord | None],
    waits: Callable[..., None],
) -> None:
    fill({"a": RetryRecord(attempts=1, first_attempt_at=1.0)})
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = start("retry", "reset", "a", "--store-path", database)
    try:
        # The program has the file open, and so waits for the lock or is about to.
        waits(lambda: database.name in open_files(waiting.pid))
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=30)
    finally:
        holder.close()
    assert (waiting.returncode, out, err) == (-signal.SIGINT, "", "")
    assert stored("a") == RetryRecord(attempts=1, first_attempt_at=1.0)


def open_files(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(each.readlink().name)
        except FileNotFoundError:
            continue
    return found


def test_ctrl_c_on_a_terminal_says_nothing(
    terminal: Callable[..., Any],
    database: Path,
    fill: Callable[[dict[str, RetryRecord]], None],
    waits: Callable[..., None],
) -> None:
    fill({"a": RetryRecord(attempts=1, first_attempt_at=1.0)})
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        session = terminal("retry", "reset", "a", "--store-path", database)
        waits(lambda: database.name in open_files(session.process.pid))
        session.type("\x03")
        status, shown = session.end()
    finally:
        holder.close()
    assert (status, shown) == (-signal.SIGINT, "^C")
