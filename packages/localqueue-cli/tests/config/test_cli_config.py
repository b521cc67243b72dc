"""``localqueue config``: each command and option through the installed program."""

import json
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NAMES = [
    "store_path",
    "retry_store_path",
    "dead_letter_ttl_seconds",
    "retry_record_ttl_seconds",
]
COMMANDS = ["path", "show", "get", "set", "unset", "init"]

Run = Callable[..., Any]
Write = Callable[[Path, str], None]


def held(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_each_help_has_an_example(localqueue: Run, command: list[str]) -> None:
    shown = localqueue("config", *command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Example" in shown.stdout
    assert f"  localqueue config {' '.join(command)}" in shown.stdout or '"$(' in shown.stdout
    assert localqueue("config", *command, "-h").stdout == shown.stdout


def test_the_help_names_every_setting(localqueue: Run) -> None:
    shown = localqueue("config", "--help").stdout
    assert all(f"  {name} " in shown for name in NAMES)


def test_path_is_in_the_config_folder_of_the_user(
    localqueue: Run, env: dict[str, str], file: Path, tmp_path: Path
) -> None:
    assert localqueue("config", "path").stdout == f"{file}\n"
    other = tmp_path / "other"
    env["XDG_CONFIG_HOME"] = str(other)
    assert localqueue("config", "path").stdout == f"{other}/localqueue/config.toml\n"
    env["XDG_CONFIG_HOME"] = "relative"
    assert localqueue("config", "path").stdout == f"{file}\n"
    assert list(file.parent.iterdir()) == []


def test_show_gives_null_for_what_is_not_set(localqueue: Run) -> None:
    shown = localqueue("config", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout) == dict.fromkeys(NAMES)


@pytest.mark.parametrize(("name", "text", "value"), [
    ("store_path", "/var/lib/queue.sqlite3", "/var/lib/queue.sqlite3"),
    ("retry_store_path", "/a b/ü.sqlite3", "/a b/ü.sqlite3"),
    ("dead_letter_ttl_seconds", "30d", 30 * 86400),
    ("retry_record_ttl_seconds", "604800", 604800),
    ("retry_record_ttl_seconds", "7d", 604800),
    ("retry_record_ttl_seconds", "12h", 43200),
    ("retry_record_ttl_seconds", "90s", 90),
    ("retry_record_ttl_seconds", "0", 0),
    ("retry_record_ttl_seconds", "0.5", 0.5),
])  # fmt: skip
def test_what_is_set_is_got_and_shown_and_unset(
    localqueue: Run, file: Path, name: str, text: str, value: object
) -> None:
    done = localqueue("config", "set", name, text)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{name} = {value} in {file}\n"
    assert held(file) == {name: value}

    got = localqueue("config", "get", name)
    assert (got.returncode, got.stdout, got.stderr) == (0, f"{value}\n", "")
    assert json.loads(localqueue("config", "show").stdout) == dict.fromkeys(NAMES) | {name: value}

    gone = localqueue("config", "unset", name)
    assert (gone.returncode, gone.stdout) == (0, "")
    assert gone.stderr == f"{name} is not set any more in {file}\n"
    assert held(file) == {}
    again = localqueue("config", "unset", name)
    assert (again.returncode, again.stderr) == (0, f"{name} was not set in {file}\n")


def test_get_of_what_is_not_set_ends_with_3(localqueue: Run, file: Path) -> None:
    got = localqueue("config", "get", "store_path")
    assert (got.returncode, got.stdout) == (3, "")
    assert got.stderr == f"localqueue: {file}: store_path is not set\n"


@pytest.mark.parametrize(("name", "text", "reason"), [
    ("retry_record_ttl_seconds", "-5", "'-5' is no duration"),
    ("retry_record_ttl_seconds", "-7d", "'-7d' is no duration"),
    ("retry_record_ttl_seconds", "nan", "'nan' is no duration"),
    ("retry_record_ttl_seconds", "inf", "'inf' is no duration"),
    ("retry_record_ttl_seconds", "soon", "'soon' is no duration"),
    ("dead_letter_ttl_seconds", "", "'' is no duration"),
    ("dead_letter_ttl_seconds", "99999d", "longer than a hundred years"),
    ("store_path", "", "must be the path of a file"),
    ("store_path", "sqlite:///x.sqlite3", "must be the path of a SQLite file and no URL"),
    ("retry_store_path", os.fsdecode(b"/not/\xff/utf-8"), "must be UTF-8 text"),
])  # fmt: skip
def test_a_value_that_is_none_is_refused_and_nothing_is_written(
    localqueue: Run, file: Path, name: str, text: str, reason: str
) -> None:
    done = localqueue("config", "set", name, text)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Error: {name}" in done.stderr
    assert reason in done.stderr
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("command", [["get"], ["set"], ["unset"]])
def test_an_unknown_name_is_refused_with_a_guess(
    localqueue: Run, file: Path, command: list[str]
) -> None:
    value = ["7d"] if command == ["set"] else []
    done = localqueue("config", *command, "retry_record_ttl", *value)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no setting 'retry_record_ttl'; did you mean 'retry_record_ttl_seconds'?" in done.stderr
    other = localqueue("config", *command, "zzz", *value)
    assert (other.returncode, other.stdout) == (2, "")
    assert f"there is no setting 'zzz'; there are {', '.join(NAMES)}" in other.stderr
    assert not file.exists()


@pytest.mark.parametrize("arguments", [
    ["get"], ["get", "store_path", "x"], ["set"], ["set", "store_path"], ["set", "store_path", "/a", "b"],
    ["unset"], ["unset", "store_path", "x"], ["path", "x"], ["show", "x"], ["show", "-o", "yaml"],
    ["init", "x"], ["shw"], ["get", "--nope", "store_path"],
])  # fmt: skip
def test_a_wrong_use_ends_with_2(localqueue: Run, file: Path, arguments: list[str]) -> None:
    done = localqueue("config", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not file.exists()


def test_a_path_is_made_absolute_when_it_is_set(
    localqueue: Run, home: Path, tmp_path: Path
) -> None:
    localqueue("config", "set", "store_path", "jobs/../queue.sqlite3")
    assert localqueue("config", "get", "store_path").stdout == f"{tmp_path / 'queue.sqlite3'}\n"
    localqueue("config", "set", "store_path", "~/queue.sqlite3")
    assert localqueue("config", "get", "store_path").stdout == f"{home / 'queue.sqlite3'}\n"


def test_init_writes_a_file_that_sets_nothing_and_is_the_owners_alone(
    localqueue: Run, home: Path, file: Path
) -> None:
    file.parent.rmdir()
    file.parent.parent.rmdir()
    done = localqueue("config", "init")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{file} is written; it sets nothing yet\n"
    text = file.read_text()
    assert held(file) == {}
    assert all(f"\n# {name} = " in text for name in NAMES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / ".config").stat().st_mode) == 0o700

    again = localqueue("config", "init")
    assert (again.returncode, again.stderr) == (1, f"localqueue: {file}: is there already\n")
    assert file.read_text() == text


def test_each_line_of_the_new_file_can_be_made_a_setting(localqueue: Run, file: Path) -> None:
    localqueue("config", "init")
    text = file.read_text()
    for name in NAMES:
        text = text.replace(f"# {name} = ", f"{name} = ")
    file.write_text(text)
    shown = json.loads(localqueue("config", "show").stdout)
    assert None not in shown.values()


def test_a_setting_goes_into_the_new_file_beside_its_comments(localqueue: Run, file: Path) -> None:
    localqueue("config", "init")
    text = file.read_text()
    localqueue("config", "set", "retry_record_ttl_seconds", "7d")
    assert file.read_text() == f"{text}retry_record_ttl_seconds = 604800\n"
    localqueue("config", "unset", "retry_record_ttl_seconds")
    assert file.read_text() == text


def test_show_is_a_table_on_a_terminal(
    localqueue: Run, terminal: Callable[..., Any], plain: Callable[[str], str], file: Path
) -> None:
    localqueue("config", "set", "retry_record_ttl_seconds", "7d")
    status, shown = terminal("config", "show").end()
    assert status == 0
    assert "\x1b[1mretry_store_path" in shown
    assert [" ".join(line.split()) for line in plain(shown).splitlines()] == [
        "store_path not set",
        "retry_store_path not set",
        "dead_letter_ttl_seconds not set",
        "retry_record_ttl_seconds 604800",
        f"file {file}",
    ]


def test_show_says_that_the_file_is_missing(terminal: Callable[..., Any], file: Path) -> None:
    status, shown = terminal("config", "show").end()
    assert status == 0
    assert f"{file} (not there)" in shown


@pytest.mark.parametrize("output", ["json", "ndjson", "table", "auto"])
def test_every_output_can_be_asked_for(
    localqueue: Run, terminal: Callable[..., Any], plain: Callable[[str], str], output: str
) -> None:
    localqueue("config", "set", "dead_letter_ttl_seconds", "1")
    piped = localqueue("config", "show", "-o", output).stdout
    assert piped == localqueue("config", "show", "--output", output).stdout
    status, shown = terminal("config", "show", "-o", output).end()
    assert status == 0
    if output in {"table", "auto"}:
        assert "dead_letter_ttl_seconds   1" in plain(shown)
    else:
        assert plain(shown) == piped
    if output == "table":
        assert "dead_letter_ttl_seconds   1" in piped
        assert "\x1b" not in piped
    else:
        assert json.loads(piped)["dead_letter_ttl_seconds"] == 1
        assert piped.count("\n") == (1 if output == "ndjson" else 6)


@pytest.mark.parametrize("arguments", [["path"], ["get", "store_path"]])
def test_single_values_are_the_same_on_a_terminal(
    localqueue: Run,
    terminal: Callable[..., Any],
    plain: Callable[[str], str],
    arguments: list[str],
) -> None:
    localqueue("config", "set", "store_path", "/var/lib/[bold]queue.sqlite3")
    status, shown = terminal("config", *arguments).end()
    assert status == 0
    assert plain(shown) == localqueue("config", *arguments).stdout


def test_a_hostile_path_is_escaped_on_a_terminal_and_whole_in_pipes(
    localqueue: Run, terminal: Callable[..., Any], file: Path
) -> None:
    path = "/x/[red]\x1b[31m\u202e\n\u2028"
    done = localqueue("config", "set", "retry_store_path", path)
    escaped = r"/x/[red]\x1b[31m\u202e\n\u2028"
    assert done.stderr == f"retry_store_path = {escaped} in {file}\n"
    assert held(file) == {"retry_store_path": path}
    assert localqueue("config", "get", "retry_store_path").stdout == f"{path}\n"
    assert json.loads(localqueue("config", "show").stdout)["retry_store_path"] == path
    for command in (["get", "retry_store_path"], ["show"]):
        status, shown = terminal("config", *command).end()
        assert status == 0
        assert escaped in shown


@pytest.mark.parametrize("command", ["get", "set", "unset"])
def test_names_are_completed(localqueue: Run, env: dict[str, str], command: str) -> None:
    env["_LOCALQUEUE_COMPLETE"] = "bash_complete"
    env["COMP_WORDS"] = f"localqueue config {command} retry_"
    env["COMP_CWORD"] = "3"
    done = localqueue()
    assert done.stdout == "plain,retry_store_path\nplain,retry_record_ttl_seconds\n"


def test_debug_shows_where_an_error_came_from(localqueue: Run, file: Path, write: Write) -> None:
    write(file, "broken")
    assert "Traceback" not in localqueue("config", "show").stderr
    assert "Traceback" in localqueue("config", "show", "--debug").stderr
