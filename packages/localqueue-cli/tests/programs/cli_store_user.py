"""A program that uses the store while the command line looks at it.

cli_store_user.py die FILE            write one record and die before anything is closed
cli_store_user.py write FILE COUNT    say that it is ready, then write one record after another
cli_store_user.py hold FILE           keep everybody else out until a line comes in
cli_store_user.py old FILE            make a store of localqueue 0.x
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

from localqueue.core import RetryRecord
from localqueue.sqlite import SQLiteAttemptStore


def ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def die(path: str) -> None:
    store = SQLiteAttemptStore(path)
    store.save("job:died", RetryRecord(1, 1.0))
    os.kill(os.getpid(), signal.SIGKILL)


def write(path: str, count: str) -> None:
    with SQLiteAttemptStore(path) as store:
        store.save("job:first", RetryRecord(1, 1.0))
        ready()
        for number in range(int(count)):
            store.save(f"job:{number}", RetryRecord(1, 1.0))


def hold(path: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    ready()
    sys.stdin.readline()
    connection.close()


def old(path: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE retry_records (key TEXT PRIMARY KEY, record_json TEXT)")
    record = '{"attempts": 1, "first_attempt_at": 1.0, "exhausted": false}'
    connection.execute("INSERT INTO retry_records VALUES ('job:old', ?)", (record,))
    connection.close()
    Path(path).chmod(0o600)


{"die": die, "write": write, "hold": hold, "old": old}[sys.argv[1]](*sys.argv[2:])
