"""``retry list``, ``retry show`` and ``retry stats``: in a pipe, on a terminal, with hostile data."""

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import Failure, RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

Fill = Callable[[dict[str, RetryRecord]], None]

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold red]x[/]\r\n\u202ekcatta\u2066 \x9b2J:smile:\U000e0041"
# Nothing of these may reach a terminal from a key or an error.
FORBIDDEN = ("\x1b]", "\x07", "\x9b", "\u202e", "\u2066", "\U000e0041", "\x1b[31m[bold")


def records() -> dict[str, RetryRecord]:
    now = time.time()
    return {
        "invoice:1": RetryRecord(
            attempts=2,
            first_attempt_at=now - 90,
            last_attempt_at=now - 60,
            next_attempt_at=now + 3600,
            last_error_type="ConnectionError",
            last_error_message="refused",
            last_error_at=now - 30,
            function="app.send",
            interruptions=1,
            owner="elsewhere:17",
        ),
        "invoice:2": RetryRecord(
            attempts=5,
            first_attempt_at=now - 9000,
            exhausted=True,
            exhausted_at=now - 7200,
            last_error_type="OSError",
            last_error_at=now - 7200,
        ),
        "report": RetryRecord(attempts=1, first_attempt_at=now - 50, succeeded_at=now - 40),
    }


def listed(done: Any) -> list[str]:
    return [item["key"] for item in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ((), ["invoice:1", "invoice:2", "report"]),
        (("--prefix", "invoice:"), ["invoice:1", "invoice:2"]),
        (("--state", "exhausted"), ["invoice:2"]),
        (("--state", "active"), ["invoice:1"]),
        (("--state", "succeeded"), ["report"]),
        (("--after", "invoice:1"), ["invoice:2", "report"]),
        (("--limit", 3), ["invoice:1", "invoice:2", "report"]),
    ],
)
def test_list_shows_what_was_asked_for(
    localqueue: Callable[..., Any],
    database: Path,
    fill: Fill,
    options: tuple[object, ...],
    keys: list[str],
) -> None:
    fill(records())
    done = localqueue("retry", "list", *options, "--store-path", database)
    assert (done.returncode, done.stderr, listed(done)) == (0, "", keys)


def test_a_list_that_was_cut_says_how_to_go_on(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(records())
    command = ("retry", "list", "--limit", 1, "--store-path", database)
    first = localqueue(*command)
    assert (first.returncode, listed(first)) == (0, ["invoice:1"])
    assert first.stderr == "There are more; to go on: --after invoice:1\n"
    assert listed(localqueue(*command, "--after", "invoice:1")) == ["invoice:2"]


@pytest.mark.parametrize("output", ["json", "table", "ndjson"])
def test_a_list_of_nothing_has_its_own_exit_status(
    localqueue: Callable[..., Any], database: Path, fill: Fill, output: str
) -> None:
    fill(records())
    done = localqueue("retry", "list", "--prefix", "x", "-o", output, "--store-path", database)
    assert done.returncode == 3
    assert done.stdout == ("[]\n" if output == "json" else "")
    assert done.stderr == f"localqueue: {database}: no record matches\n"


def test_ndjson_is_one_record_a_line_with_every_field(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(records())
    done = localqueue("retry", "list", "-o", "ndjson", "--store-path", database)
    items = [json.loads(line) for line in done.stdout.splitlines()]
    with SQLiteAttemptStore(database) as store:
        for item in items:
            record = store.load(item.pop("key"))
            assert record is not None
            assert item.pop("state") == record.state
            assert RetryRecord(**item) == record
    assert len(items) == 3


def test_a_terminal_gets_a_table_with_colours(
    terminal: Callable[..., Any],
    plain: Callable[[str], str],
    database: Path,
    fill: Fill,
    env: dict[str, str],
) -> None:
    fill(records())
    status, shown = terminal("retry", "list", "--store-path", database).end()
    assert status == 0
    assert "\x1b[31m" in shown
    rows = [line.split() for line in plain(shown).splitlines()]
    assert rows[0] == ["key", "state", "attempts", "when", "last", "error"]
    assert rows[1][:3] == ["invoice:1", "active", "2"]
    assert " ".join(rows[1][3:]) == "due in 60 min ConnectionError: refused"
    assert " ".join(rows[2]) == "invoice:2 exhausted 5 2 h ago OSError"
    assert " ".join(rows[3]) == "report succeeded 1 40 s ago"
    env["NO_COLOR"] = "1"
    status, shown = terminal("retry", "list", "--store-path", database).end()
    assert (status, "\x1b[31m" in shown) == (0, False)


def test_a_terminal_gets_json_where_it_is_asked_for(
    terminal: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(records())
    status, shown = terminal("retry", "list", "-o", "json", "--store-path", database).end()
    assert (status, len(json.loads(shown))) == (0, 3)


def test_a_listing_that_nobody_reads_holds_nothing_open(
    start: Callable[..., subprocess.Popen[str]], database: Path, fill: Fill
) -> None:
    message = "x" * 1000
    fill(
        {
            f"job:{n:04}": RetryRecord(attempts=1, first_attempt_at=1.0, last_error_message=message)
            for n in range(2000)
        }
    )
    listing = start("retry", "list", "--limit", 2000, "-o", "ndjson", "--store-path", database)
    assert listing.stdout is not None
    first = listing.stdout.readline()  # it has begun, and stands at a full pipe

    def is_log_emptied() -> bool:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as writer:
            writer.execute("UPDATE records SET attempts = attempts + 1 WHERE key = 'job:0000'")
            busy, *_ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return busy == 0

    assert is_log_emptied()
    with closing(sqlite3.connect(database)) as reader:  # the control: a cursor that is held
        cursor = reader.execute("SELECT key FROM records")
        cursor.fetchone()
        assert not is_log_emptied()
        cursor.close()
    assert listing.stderr is not None
    rest, err = listing.stdout.read(), listing.stderr.read()
    keys = [json.loads(line)["key"] for line in [first, *rest.splitlines()]]
    assert (listing.wait(30), err, len(set(keys))) == (0, "", 2000)


def test_hostile_data_is_escaped_in_tables_and_intact_in_json(
    localqueue: Callable[..., Any], terminal: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(
        {
            HOSTILE: RetryRecord(
                attempts=1,
                first_attempt_at=1e300,
                function=HOSTILE,
                owner=HOSTILE,
                last_attempt_at=float("inf"),
                last_error_type=HOSTILE,
                last_error_message=HOSTILE,
                last_error_at=2.0,
            )
        }
    )
    with SQLiteAttemptStore(database) as store:
        record = store.load(HOSTILE)
        assert record is not None
        store.settle(HOSTILE, Failure(1, 2.0, HOSTILE, HOSTILE), budget=record.budget)
    for command in (("list",), ("show", HOSTILE), ("stats",), ("show", f"{HOSTILE}?")):
        status, shown = terminal("retry", *command, "--store-path", database).end()
        assert status == (4 if command[-1].endswith("?") else 0)
        assert [each for each in FORBIDDEN if each in shown] == []
        if command != ("stats",):
            assert "[bold red]x[/]" in shown
            assert ":smile:" in shown
    done = localqueue("retry", "show", HOSTILE, "--store-path", database)
    shown = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert (shown["key"], shown["last_error_message"]) == (HOSTILE, HOSTILE)
    assert shown["history"][0]["error_message"] == HOSTILE
    assert shown["last_attempt_at"] is None  # JSON has no infinity
    assert listed(localqueue("retry", "list", "--store-path", database)) == [HOSTILE]
    # The command to copy means the key, although it shows nothing of it raw.
    again = subprocess.run(
        ["bash", "-c", shown["reset_command"]],
        env={"PATH": f"{Path(os.fspath(done.args[0])).parent}:/bin:/usr/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(again.stdout) == [{"key": HOSTILE, "found": True, "reset": True}]


def test_show_tells_the_whole_story(
    terminal: Callable[..., Any], plain: Callable[[str], str], database: Path, fill: Fill
) -> None:
    fill(records())
    with SQLiteAttemptStore(database) as store:
        record = store.load("invoice:2")
        assert record is not None
        for attempt in (4, 5):
            failure = Failure(attempt, time.time() - 7200, "OSError", f"broken {attempt}")
            store.settle("invoice:2", failure, budget=record.budget, exhausted=True)
    _, shown = terminal("retry", "show", "invoice:1", "--store-path", database).end()
    lines = dict(line.split("  ", 1) for line in plain(shown).splitlines())
    story = {name.strip(): value.strip() for name, value in lines.items()}
    assert story["state"] == "active"
    assert story["attempts"] == "2"
    assert story["interrupted"] == "1 times, not counted as attempts"
    assert story["function"] == "app.send"
    assert story["last attempt"].endswith("(60 s ago), by elsewhere:17")
    assert story["last error"].endswith("(30 s ago): ConnectionError: refused")
    assert story["next"].startswith("the next attempt is due ")
    assert story["next"].endswith("(in 60 min)")

    _, shown = terminal("retry", "show", "invoice:2", "--store-path", database).end()
    assert "(2 h ago): OSError: broken 4" in plain(shown)
    assert "(2 h ago): OSError: broken 5" in plain(shown)
    assert "nothing runs any more: the budget is spent" in plain(shown)
    assert f"localqueue retry reset --store-path {database} invoice:2" in plain(shown)
    _, shown = terminal("retry", "show", "report", "--store-path", database).end()
    assert "the next call starts a new budget" in plain(shown)


def test_show_knows_an_attempt_whose_process_is_gone(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    here = os.uname().nodename
    began = RetryRecord(attempts=1, first_attempt_at=time.time(), last_attempt_at=time.time())
    fill(
        {
            "gone": RetryRecord(**fields(began) | {"owner": f"{here}:{gone.pid}"}),
            "here": RetryRecord(**fields(began) | {"owner": f"{here}:{os.getpid()}"}),
            "there": RetryRecord(**fields(began) | {"owner": "elsewhere:1"}),
        }
    )
    said = {
        key: json.loads(localqueue("retry", "show", key, "--store-path", database).stdout)
        for key in ("gone", "here", "there")
    }
    assert "has died with its process" in said["gone"]["unanswered"]
    assert "still runs, if that process is the same" in said["here"]["unanswered"]
    assert "still runs, or has died" in said["there"]["unanswered"]


def fields(record: RetryRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in RetryRecord.__dataclass_fields__}


def test_a_clock_that_was_set_back_stretches_no_wait(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    now = time.time()
    fill(
        {
            "a": RetryRecord(
                attempts=1,
                first_attempt_at=now + 86400,
                last_error_at=now + 86400,
                next_attempt_at=now + 86460,
            )
        }
    )
    shown = json.loads(localqueue("retry", "show", "a", "--store-path", database).stdout)
    assert 0 < shown["due_at"] - now < 90
    assert shown["next_attempt_at"] == now + 86460


def test_show_of_an_unknown_key_has_its_own_exit_status(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(records())
    done = localqueue("retry", "show", "nobody", "--store-path", database)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"localqueue: {database}: there is no record of 'nobody'\n"


def test_a_key_that_looks_like_an_option_can_be_shown_and_reset(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill({"--yes": RetryRecord(attempts=1, first_attempt_at=1.0)})
    done = localqueue("retry", "show", "--store-path", database, "--", "--yes")
    command = json.loads(done.stdout)["reset_command"]
    assert command == f"localqueue retry reset --store-path {database} -- --yes"
    assert localqueue(*command.split()[1:]).returncode == 0


def test_stats_counts_every_record_once(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(records() | {f"n:{n:04}": RetryRecord(2, 1.0) for n in range(1200)})
    done = localqueue("retry", "stats", "--store-path", database)
    shown = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert shown == {
        "records": 1203,
        "active": 1201,
        "waiting": 1,
        "exhausted": 1,
        "succeeded": 1,
        "attempts": 2408,
        "oldest_first_attempt_at": 1.0,
        "last_errors": {"ConnectionError": 1, "OSError": 1},
        "complete": True,
        "store": str(database),
    }
    only = json.loads(
        localqueue("retry", "stats", "--prefix", "invoice:", "--store-path", database).stdout
    )
    assert (only["records"], only["attempts"]) == (2, 7)
    cut = localqueue("retry", "stats", "--limit", 700, "--store-path", database)
    assert json.loads(cut.stdout)["records"] == 700
    assert json.loads(cut.stdout)["complete"] is False
    assert cut.stderr == "only the first 700 records were looked at\n"


def test_stats_shows_on_a_terminal_how_far_it_is(
    terminal: Callable[..., Any], plain: Callable[[str], str], database: Path, fill: Fill
) -> None:
    fill({f"n:{n:04}": RetryRecord(2, 1.0) for n in range(1200)})
    status, shown = terminal("retry", "stats", "--store-path", database).end()
    assert status == 0
    assert "1,000 records" in shown
    assert "1,200" in plain(shown).splitlines()[-7]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
