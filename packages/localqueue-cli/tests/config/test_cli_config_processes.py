"""Several processes change the settings at once, and some are killed: nothing is lost."""

import fcntl
import random
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATHS = ["store_path", "retry_store_path"]
AGES = ["dead_letter_ttl_seconds", "retry_record_ttl_seconds"]
MINE = "# mine\n"
WRITER = Path(__file__).parents[1] / "programs" / "cli_settings_writer.py"

Run = Callable[..., Any]
Write = Callable[[Path, str], None]


@pytest.fixture
def writers(file: Path, write: Write) -> Iterator[Callable[..., list[subprocess.Popen[str]]]]:
    """Start a writer for each age, both at once, on a file that holds both."""
    started: list[subprocess.Popen[str]] = []

    def begin(how: str, count: int) -> list[subprocess.Popen[str]]:
        write(file, "".join(f"# about {name}\n{name} = 0\n" for name in AGES))
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "error", WRITER, how, file, name, str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in AGES
        ]
        started.extend(processes)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return processes

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def undone(processes: list[subprocess.Popen[str]]) -> int:
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return sum(map(int, answers))


def test_two_writers_lose_nothing_of_each_other(writers: Callable[..., Any], file: Path) -> None:
    assert undone(writers("ours", 100)) == 0
    assert tomllib.loads(file.read_text()) == dict.fromkeys(AGES, 99)
    assert [line for line in file.read_text().splitlines() if line.startswith("#")] == [
        f"# about {name}" for name in AGES
    ]
    assert list(file.parent.iterdir()) == [file]


def test_two_writers_without_a_lock_do_lose_something(writers: Callable[..., Any]) -> None:
    """The positive control. On a busy machine the two may happen to run one after the other."""
    assert any(undone(writers("unlocked", 200)) for _ in range(10))


@pytest.mark.parametrize(("how", "count"), [("ours", 60), ("in-place", 1000)])
def test_no_reader_sees_half_a_file(
    writers: Callable[..., Any], file: Path, how: str, count: int
) -> None:
    one, other = writers(how, count)
    other.kill()
    other.wait()
    halves = 0
    while one.poll() is None:
        text = file.read_text()
        halves += "# about retry_record_ttl_seconds" not in text
    # Whoever writes in place is the positive control.
    assert (halves == 0) == (how == "ours")


def test_a_killed_writer_leaves_a_whole_file_and_is_in_nobodys_way(
    localqueue: Run, writers: Callable[..., Any], file: Path
) -> None:
    chance = random.Random(7)
    for _ in range(8):
        processes = writers("ours", 1_000_000)
        time.sleep(chance.random() / 10)
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            assert process.returncode == -signal.SIGKILL
        assert set(tomllib.loads(file.read_text())) == set(AGES)
    assert localqueue("config", "set", "store_path", "/x").returncode == 0
    assert list(file.parent.iterdir()) == [file]


def test_what_a_killed_writer_has_left_is_cleared_away(
    localqueue: Run, file: Path, write: Write
) -> None:
    write(file, MINE)
    file.with_name(".config.toml.lock").touch(0o600)
    file.with_name(".config.toml.new").write_text("half")
    assert localqueue("config", "set", "store_path", "/x").returncode == 0
    assert file.read_text() == MINE + 'store_path = "/x"\n'
    assert list(file.parent.iterdir()) == [file]


def test_commands_at_once_keep_all_settings(
    start: Callable[..., subprocess.Popen[str]], file: Path
) -> None:
    processes = [start("config", "set", name, "7d") for name in AGES]
    processes += [start("config", "set", name, f"/{name}") for name in PATHS]
    assert [process.wait(30) for process in processes] == [0] * 4
    expected = dict.fromkeys(AGES, 604800) | {name: f"/{name}" for name in PATHS}
    assert tomllib.loads(file.read_text()) == expected


@pytest.mark.slow
def test_who_holds_the_lock_for_long_is_not_waited_for_for_ever(
    localqueue: Run, file: Path, write: Write
) -> None:
    write(file, MINE)
    with file.with_name(".config.toml.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = localqueue("config", "set", "store_path", "/x")
    assert (done.returncode, done.stdout) == (1, "")
    expected = f"localqueue: {file}: is being changed by another process; try again\n"
    assert done.stderr == expected
    assert file.read_text() == MINE
