"""``retry show`` and ``retry stats``; and hostile data in all of them."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localqueue.core import Failure, RetryRecord, transitions
from localqueue.sqlite import SQLiteAttemptStore

Records = dict[str, RetryRecord]
Fill = Callable[[dict[str, RetryRecord]], None]

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold red]x[/]\r\n\u202ekcatta\u2066 \x9b2J:smile:\U000e0041"
# Nothing of these may reach a terminal from a key or an error.
FORBIDDEN = ("\x1b]", "\x07", "\x9b", "\u202e", "\u2066", "\U000e0041", "\x1b[31m[bold")


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
        assert "[bold red]x[/]" in shown
        assert ":smile:" in shown
    done = localqueue("retry", "show", HOSTILE, "--store-path", database)
    shown = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert (shown["key"], shown["last_error_message"]) == (HOSTILE, HOSTILE)
    assert shown["history"][0]["error_message"] == HOSTILE
    assert shown["last_attempt_at"] is None  # JSON has no infinity
    (item,) = json.loads(localqueue("retry", "list", "--store-path", database).stdout)
    assert item["key"] == HOSTILE
    # The command to copy means the key, although it shows nothing of it raw.
    again = subprocess.run(
        ["bash", "-c", shown["reset_command"]],
        env={"PATH": f"{Path(os.fspath(done.args[0])).parent}:/bin:/usr/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(again.stdout) == [{"key": HOSTILE, "found": True, "reset": True}]


def test_an_attempt_that_was_given_back_is_not_called_dead(
    localqueue: Callable[..., Any], database: Path
) -> None:
    with SQLiteAttemptStore(database) as store:
        first = transitions.started(None, now=1.0, owner="host:1")
        second = transitions.started(first, now=2.0, owner="host:2")
        assert store.reserve("job", first, expected=None)
        assert store.reserve("job", second, expected=first)
        assert store.release("job", budget=first.budget, interruptions_allowed=5)
    shown = json.loads(localqueue("retry", "show", "job", "--store-path", database).stdout)
    assert (shown["attempts"], shown["interruptions"]) == (1, 1)
    assert (shown["owner"], shown["unanswered"]) == (None, None)


def test_a_budget_spent_by_crashes_says_so(localqueue: Callable[..., Any], database: Path) -> None:
    with SQLiteAttemptStore(database) as store:
        crashed = transitions.started(None, now=1.0, owner="host:1")
        store.save("job", transitions.refused(crashed, now=2.0))
    shown = json.loads(localqueue("retry", "show", "job", "--store-path", database).stdout)
    assert shown["state"] == "exhausted"
    assert "died with its process" in shown["unanswered"]


def test_show_tells_the_whole_story(
    terminal: Callable[..., Any],
    plain: Callable[[str], str],
    database: Path,
    fill: Fill,
    records: Records,
) -> None:
    fill(records)
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
    assert story["interrupted"] == "1 (not counted as attempts)"
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
    localqueue: Callable[..., Any], database: Path, fill: Fill, records: Records
) -> None:
    fill(records)
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
    localqueue: Callable[..., Any], database: Path, fill: Fill, records: Records
) -> None:
    fill(records | {f"n:{n:04}": RetryRecord(2, 1.0) for n in range(1200)})
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
