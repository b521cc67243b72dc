"""``retry run``: what is run, and with what it is surrounded."""

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localqueue.core import RetryRecord

Stored = Callable[[str], RetryRecord | None]
Attempt = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("no-such-command", 127, "No such file or directory"),
        ("/etc/passwd/x", 127, "Not a directory"),
        ("/etc/passwd", 126, "Permission denied"),
        ("./garbage", 126, "Exec format error"),
    ],
)
def test_a_command_that_cannot_run_uses_nothing_up(
    localqueue: Callable[..., Any],
    database: Path,
    tmp_path: Path,
    stored: Stored,
    command: str,
    status: int,
    said: str,
) -> None:
    (tmp_path / "garbage").write_bytes(b"\x00\x01\x02")
    (tmp_path / "garbage").chmod(0o700)
    done = localqueue("retry", "run", "job", "--store-path", database, "--", command)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"localqueue: {command}: {said}\n"
    assert stored("job") is None


def test_arguments_arrive_as_they_are(localqueue: Callable[..., Any], database: Path) -> None:
    arguments = ["--", "-x", "", "a b", "$HOME", "--store", "é", os.fsdecode(b"\xff\x01")]
    done = localqueue(
        "retry", "run", "job", "--store-path", database, "--", "printf", "%s\\0", *arguments,
        text=False,
    )  # fmt: skip
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(each) for each in arguments]


def test_options_may_stand_before_the_key(localqueue: Callable[..., Any], database: Path) -> None:
    done = localqueue("retry", "run", "--store-path", database, "job", "--", "echo", "fine")
    assert (done.returncode, done.stdout) == (0, "fine\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("job",),
        ("job", "--"),
        ("", "--", "true"),
        (b"\xff", "--", "true"),
        ("job", "--max-tries", "0", "--", "true"),
        ("job", "--wait", "2h..1m", "--", "true"),
        ("job", "--max-wait", "-1", "--", "true"),
    ],
)
def test_wrong_usage_runs_nothing(
    localqueue: Callable[..., Any], arguments: tuple[Any, ...], env: dict[str, str]
) -> None:
    done = localqueue("retry", "run", *map(os.fsdecode, arguments))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert not (Path(env["HOME"]) / ".local").exists()


def test_the_command_gets_the_same_signals_files_and_environment_as_without(
    attempt: Attempt, tmp_path: Path, env: dict[str, str]
) -> None:
    script = (
        "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls -l /proc/$$/fd | grep -c extra; env | sort"
    )
    with (tmp_path / "extra").open("w") as extra:
        os.set_inheritable(extra.fileno(), True)
        settings = {"close_fds": False, "env": env, "stdin": subprocess.DEVNULL, "cwd": tmp_path}
        with_budget = attempt(script=script, **settings)
        without = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, check=True, **settings
        )
    # 32 and 33 are the C library's own, and its posix_spawn() leaves them ignored.
    internal = 3 << 31
    for one, other in zip(
        with_budget.stdout.splitlines(), without.stdout.splitlines(), strict=True
    ):
        name, _, mask = one.partition(":\t")
        if name in ("SigBlk", "SigIgn"):
            assert f"{name}:\t{int(mask, 16) & ~internal:016x}" == other
        else:
            assert one == other
    assert "\n1\n" in without.stdout


def test_a_parent_that_ignores_its_children_hides_no_failure(attempt: Attempt) -> None:
    done = attempt(
        "--max-wait",
        0,
        script="exit 1",
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert done.returncode == 75


def test_another_command_under_the_same_key_is_mentioned_once(
    localqueue: Callable[..., Any], attempt: Attempt, database: Path
) -> None:
    attempt("--wait", 0, "--max-wait", 0, "--max-tries", 1, script="exit 1")
    done = localqueue("retry", "run", "job", "--store-path", database, "--", "true")
    assert done.returncode == 69
    warning, refusal = done.stderr.splitlines()
    assert "command sh and command true" in warning
    assert "the budget is spent" in refusal


def test_a_default_store_is_made_for_its_owner_alone(
    localqueue: Callable[..., Any], env: dict[str, str]
) -> None:
    done = localqueue("retry", "run", "job", "--max-wait", 0, "--", "false")
    assert done.returncode == 75
    database = Path(env["HOME"]) / ".local/share/localqueue/retries.sqlite3"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert localqueue("retry", "list").returncode == 0


def test_a_key_is_escaped_in_messages(localqueue: Callable[..., Any], database: Path) -> None:
    done = localqueue(
        "retry", "run", "\x1b[31mred\n", "--max-wait", 0, "--store-path", database, "--", "false"
    )
    assert done.stderr.startswith("localqueue: \\x1b[31mred\\n: attempt 1 failed")


def test_a_command_without_its_dashes_is_refused(localqueue: Callable[..., Any]) -> None:
    done = localqueue("retry", "run", "job", "grep", "-q", "hi", "file")
    assert done.returncode == 2
    assert "put -- before the command" in done.stderr
