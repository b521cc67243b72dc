"""Forks with an open store: python sqlite_forks.py COMMAND PATH [ARGUMENTS].

Answers with one line of JSON.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore

RECORD = RetryRecord(1, 1.0)
WRITES = 50
LONGEST_SECONDS = 10.0


def answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def write(store: SQLiteAttemptStore, prefix: str, numbers: range) -> None:
    for number in numbers:
        store.save(f"{prefix}:{number}", RECORD)


def leave(store: SQLiteAttemptStore, ending: str) -> None:
    """End this child."""
    if ending == "close":
        store.close()
    if ending == "sys.exit":
        sys.exit(0)
    os._exit(0)


def end_of(child: int) -> int | None:
    """The exit code of ``child``, which is killed, and None returned, if it does not come."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def both(path: str, order: str, ending: str, laps: str) -> None:
    """Parent and child write at the same time; which one ends first is ``order``."""
    endings = []
    for lap in range(int(laps)):
        store = SQLiteAttemptStore(path)
        store.save(f"{lap}:before", RECORD)
        halfway, begin = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            write(store, f"{lap}:child", range(WRITES // 2))
            os.write(halfway[1], b"x")
            if order == "parent first":
                os.read(begin[0], 1)
            write(store, f"{lap}:child", range(WRITES // 2, WRITES))
            leave(store, ending)
        write(store, f"{lap}:parent", range(WRITES // 2))
        os.read(halfway[0], 1)
        if order == "child first":
            endings.append(end_of(child))
        write(store, f"{lap}:parent", range(WRITES // 2, WRITES))
        store.close()
        os.write(begin[1], b"x")
        if order != "child first":
            endings.append(end_of(child))
        for one in (*halfway, *begin):
            os.close(one)
    answer(endings)


def threads(path: str, forks: str) -> None:
    """Fork again and again while other threads are inside calls of the store."""
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of exactly this
    store = SQLiteAttemptStore(path)
    store.load("job:1")
    done = threading.Event()
    calls = [0, 0]

    def work(number: int) -> None:
        while not done.is_set():
            store.save(f"thread:{number}:{calls[number] % 50}", RECORD)
            store.release(f"thread:{number}:{calls[number] % 50}", budget="none")
            calls[number] += 1

    running = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in running:
        thread.start()
    endings = []
    for number in range(int(forks)):
        time.sleep(0.002)
        child = os.fork()
        if child == 0:
            write(store, f"child:{number}", range(2))
            os._exit(0)
        endings.append(end_of(child))
    done.set()
    for thread in running:
        thread.join()
    answer({"endings": endings, "calls": sum(calls)})
    store.close()


def naive(path: str) -> None:
    """Fork once with a connection that stays open; tells how many rows of the child are left."""
    store = SQLiteAttemptStore(path)
    store.save("before", RECORD)
    store._database.disconnect = lambda: None  # type: ignore[method-assign]
    halfway, begin = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        write(store, "child", range(1))
        os.write(halfway[1], b"x")
        os.read(begin[0], 1)
        write(store, "child", range(1, WRITES))
        os._exit(0)
    os.read(halfway[0], 1)
    del store._database.disconnect
    store.close()
    os.write(begin[1], b"x")
    assert end_of(child) == 0
    with SQLiteAttemptStore(path) as store:
        answer(len(store.records(prefix="child:")))


def daemon(path: str) -> None:
    """Become a daemon with a store that was used before; its answer is the only one."""
    store = SQLiteAttemptStore(path)
    write(store, "before", range(WRITES))
    if os.fork():
        sys.exit(0)  # as a shell's child would: everything that is to be run at exit is run
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    time.sleep(0.1)  # the others are gone, and have closed what they had
    write(store, "daemon", range(WRITES))
    answer(str(store))
    os._exit(0)


def save_in_child(path: str) -> None:
    with SQLiteAttemptStore(path) as store:
        write(store, "spawned", range(WRITES))


def spawn(path: str) -> None:
    with SQLiteAttemptStore(path) as store:
        store.save("before", RECORD)
        child = multiprocessing.get_context("spawn").Process(target=save_in_child, args=(path,))
        child.start()
        write(store, "parent", range(WRITES))
        child.join()
        answer(child.exitcode)


COMMANDS: dict[str, Callable[..., None]] = {
    "both": both,
    "daemon": daemon,
    "naive": naive,
    "spawn": spawn,
    "threads": threads,
}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    COMMANDS[command](*arguments)
