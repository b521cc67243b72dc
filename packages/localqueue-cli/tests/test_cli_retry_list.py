"""``retry list``: in a pipe, on a terminal, page by page."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

Records = dict[str, RetryRecord]
Fill = Callable[[dict[str, RetryRecord]], None]


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
    records: Records,
    options: tuple[object, ...],
    keys: list[str],
) -> None:
    fill(records)
    done = localqueue("retry", "list", *options, "--store-path", database)
    assert (done.returncode, done.stderr, listed(done)) == (0, "", keys)


def test_a_list_that_was_cut_says_how_to_go_on(
    localqueue: Callable[..., Any], database: Path, fill: Fill, records: Records
) -> None:
    fill(records)
    command = ("retry", "list", "--limit", 1, "--store-path", database)
    first = localqueue(*command)
    assert (first.returncode, listed(first)) == (0, ["invoice:1"])
    assert first.stderr == "There are more; to go on: --after invoice:1\n"
    assert listed(localqueue(*command, "--after", "invoice:1")) == ["invoice:2"]


@pytest.mark.parametrize("output", ["json", "table", "ndjson"])
def test_a_list_of_nothing_has_its_own_exit_status(
    localqueue: Callable[..., Any], database: Path, fill: Fill, records: Records, output: str
) -> None:
    fill(records)
    done = localqueue("retry", "list", "--prefix", "x", "-o", output, "--store-path", database)
    assert done.returncode == 3
    assert done.stdout == ("[]\n" if output == "json" else "")
    assert done.stderr == f"localqueue: {database}: no record matches\n"


def test_ndjson_is_one_record_a_line_with_every_field(
    localqueue: Callable[..., Any], database: Path, fill: Fill, records: Records
) -> None:
    fill(records)
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
    records: Records,
    env: dict[str, str],
) -> None:
    fill(records)
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
    terminal: Callable[..., Any], database: Path, fill: Fill, records: Records
) -> None:
    fill(records)
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
