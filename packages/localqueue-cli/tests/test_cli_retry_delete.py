"""``retry reset`` and ``retry prune``: what they remove, what they ask, what they leave alone."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

Fill = Callable[[dict[str, RetryRecord]], None]
DAY = 86400.0


def exhausted(days_ago: float) -> RetryRecord:
    at = time.time() - days_ago * DAY
    return RetryRecord(attempts=3, first_attempt_at=at - 1, exhausted=True, exhausted_at=at)


def some() -> dict[str, RetryRecord]:
    """Two old exhausted records, and all that must stay: young, active, succeeded."""
    long_ago = time.time() - 100 * DAY
    return {
        "old:1": exhausted(8),
        "old:2": exhausted(30),
        "young": exhausted(6),
        # Its first attempt is old, its exhaustion is not.
        "slow": RetryRecord(
            attempts=9, first_attempt_at=long_ago, exhausted=True, exhausted_at=time.time()
        ),
        "active": RetryRecord(attempts=2, first_attempt_at=long_ago),
        "succeeded": RetryRecord(
            attempts=2, first_attempt_at=long_ago, exhausted=True, succeeded_at=long_ago
        ),
    }


def keys(database: Path) -> set[str]:
    with SQLiteAttemptStore(database) as store:
        return {key for key, _ in store.records(limit=100_000)}


LEFT = {"young", "slow", "active", "succeeded"}


@pytest.mark.parametrize("age", ["604800", "7d"])
def test_prune_removes_only_what_was_exhausted_long_ago(
    localqueue: Callable[..., Any], database: Path, fill: Fill, age: str
) -> None:
    fill(some())
    done = localqueue("retry", "prune", "--older-than", age, "--store-path", database)
    assert (done.returncode, done.stderr, json.loads(done.stdout)["removed"]) == (0, "", 2)
    assert keys(database) == LEFT
    again = localqueue("retry", "prune", "--older-than", age, "--store-path", database)
    assert (again.returncode, json.loads(again.stdout)["removed"]) == (0, 0)


@pytest.mark.parametrize("flag", ["-n", "--dry-run"])
def test_a_dry_run_counts_and_removes_nothing(
    localqueue: Callable[..., Any], database: Path, fill: Fill, flag: str
) -> None:
    fill(some())
    done = localqueue("retry", "prune", flag, "--older-than", "604800", "--store-path", database)
    assert json.loads(done.stdout) == {
        "older_than_seconds": 604800.0,
        "dry_run": True,
        "would_remove": 2,
    }
    assert keys(database) == LEFT | {"old:1", "old:2"}


@pytest.mark.parametrize("age", ["-1", "7x"])
def test_an_age_that_is_none_is_refused(
    localqueue: Callable[..., Any], database: Path, fill: Fill, age: str
) -> None:
    fill(some())
    done = localqueue("retry", "prune", f"--older-than={age}", "--store-path", database)
    assert (done.returncode, "--older-than" in done.stderr) == (2, True)
    assert len(keys(database)) == 6


def test_the_age_may_come_from_the_settings(
    localqueue: Callable[..., Any], database: Path, fill: Fill, env: dict[str, str]
) -> None:
    fill(some())
    done = localqueue("retry", "prune", "--store-path", database)
    assert done.returncode == 2
    assert "--older-than" in done.stderr
    assert "retry_record_ttl_seconds" in done.stderr
    settings = Path(env["HOME"]) / ".config" / "localqueue" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"retry_record_ttl_seconds = 604800\nretry_store_path = '{database}'\n")
    done = localqueue("retry", "prune", "--dry-run")
    assert json.loads(done.stdout)["would_remove"] == 2
    # The option wins.
    done = localqueue("retry", "prune", "--dry-run", "--older-than", "20d")
    assert json.loads(done.stdout)["would_remove"] == 1
    assert json.loads(localqueue("retry", "prune").stdout)["removed"] == 2
    assert keys(database) == LEFT


def test_a_terminal_asks_before_it_prunes(
    terminal: Callable[..., Any], plain: Callable[[str], str], database: Path, fill: Fill
) -> None:
    fill(some())
    command = ("retry", "prune", "--older-than", "7d", "--store-path", database)
    declined = terminal(*command)
    declined.read_until("Remove 2 records exhausted 7 d ago or earlier? [y/N]:")
    declined.type("n\n")
    status, shown = declined.end()
    assert (status, "Aborted!" in shown) == (1, True)
    assert len(keys(database)) == 6
    accepted = terminal(*command)
    accepted.read_until("[y/N]:")
    accepted.type("y\n")
    status, shown = accepted.end()
    assert (status, plain(shown).splitlines()[-1].split()) == (0, ["removed", "2"])
    assert keys(database) == LEFT
    status, shown = terminal(*command, "--yes").end()
    assert (status, "?" in plain(shown)) == (0, False)


def test_a_long_prune_shows_its_progress(
    terminal: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill({f"k{n:05}": exhausted(10) for n in range(3000)} | {"young": exhausted(1)})
    session = terminal("retry", "prune", "--yes", "--older-than", "7d", "--store-path", database)
    status, shown = session.end()
    assert status == 0
    assert "Pruning" in shown
    assert "33%" in shown
    assert "100%" in shown
    assert keys(database) == {"young"}


def test_a_prune_that_is_interrupted_loses_nothing(
    terminal: Callable[..., Any], database: Path, fill: Fill
) -> None:
    total = 30_000
    fill({f"k{n:05}": exhausted(10) for n in range(total)} | {"young": exhausted(1)})
    command = ("retry", "prune", "--yes", "--older-than", "7d", "--store-path", database)
    session = terminal(*command)
    session.read_until("10%")
    session.type("\x03")
    status, shown = session.end()
    left = len(keys(database))
    assert status == -signal.SIGINT
    assert "Traceback" not in shown
    assert 1 < left < total
    assert "young" in keys(database)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is shown again
    status, _ = terminal(*command).end()
    assert (status, keys(database)) == (0, {"young"})


def test_reset_forgets_the_keys_that_are_named(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(some())
    done = localqueue("retry", "reset", "active", "young", "--store-path", database)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [
        {"key": "active", "found": True, "reset": True},
        {"key": "young", "found": True, "reset": True},
    ]
    assert keys(database) == {"old:1", "old:2", "slow", "succeeded"}


def test_reset_names_a_key_without_a_record_and_resets_the_others(
    localqueue: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(some())
    done = localqueue("retry", "reset", "nobody", "young", "--store-path", database)
    assert done.returncode == 4
    assert done.stderr == f"localqueue: {database}: there is no record of 'nobody'\n"
    assert "young" not in keys(database)


@pytest.mark.parametrize(
    "options",
    [("old:1", "nobody", "--dry-run"), ("--prefix", "old:", "-n"), ("--prefix", "", "-n")],
)
def test_a_dry_reset_changes_nothing(
    localqueue: Callable[..., Any], database: Path, fill: Fill, options: tuple[str, ...]
) -> None:
    fill(some())
    done = localqueue("retry", "reset", *options, "--store-path", database)
    assert done.returncode == (4 if "nobody" in options else 0)
    assert not any(item["reset"] for item in json.loads(done.stdout))
    assert len(keys(database)) == 6


def test_reset_by_prefix_needs_consent(
    localqueue: Callable[..., Any], terminal: Callable[..., Any], database: Path, fill: Fill
) -> None:
    fill(some())
    command = ("retry", "reset", "--prefix", "old:", "--store-path", database)
    done = localqueue(*command, input="y\n")
    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    session = terminal(*command)
    session.read_until("Reset 2 budgets? [y/N]:")
    session.type("\n")
    assert session.end()[0] == 1
    assert len(keys(database)) == 6
    session = terminal(*command)
    session.read_until("[y/N]:")
    session.type("y\n")
    assert session.end()[0] == 0
    assert keys(database) == LEFT
    done = localqueue(*command, "--yes")
    assert (done.returncode, done.stdout) == (3, "")
    assert localqueue(*command[:3], "", *command[4:], "--yes").returncode == 0
    assert keys(database) == set()


@pytest.mark.parametrize("options", [(), ("key", "--prefix", "p")])
def test_reset_wants_keys_or_a_prefix(
    localqueue: Callable[..., Any], options: tuple[str, ...]
) -> None:
    assert localqueue("retry", "reset", *options).returncode == 2


def test_reset_tells_a_terminal_what_it_did(
    terminal: Callable[..., Any], plain: Callable[[str], str], database: Path, fill: Fill
) -> None:
    fill(some())
    command = ("retry", "reset", "active", "nobody", "--store-path", database)
    _, shown = terminal(*command, "-n").end()
    assert "would be reset" in plain(shown)
    status, shown = terminal(*command).end()
    rows = [line.split(maxsplit=1) for line in plain(shown).splitlines()]
    assert status == 4
    assert rows[1][1].strip() == "reset"
    assert rows[2][1].strip() == "no record"
