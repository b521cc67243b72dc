"""A folder of JSON files: each is replaced as a whole, and by one writer at a time."""

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localqueue.core import (
    Failure,
    RetryRecord,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
    make_folders,
    refuse_network_filesystem,
)


@dataclass
class Entry:
    """What is known of a key; a key without a file has no record and no history."""

    key: str
    record: RetryRecord | None = None
    history: list[Failure] = field(default_factory=list)


class Folder:
    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self.timeout = timeout

    def file_of(self, key: str) -> Path:
        # A key may be longer than a file's name may be, and hold any character.
        return self.path / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    def read(self, file: Path) -> Entry | None:
        """What is in a file, without waiting for any lock; None where it does not exist."""
        with self._explained():
            try:
                text = file.read_bytes()
            except FileNotFoundError:
                return None
        try:
            content = json.loads(text)
            key, record, history = content["key"], content["record"], content["history"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreCorruptError(file, "is not a file of this store") from error
        try:
            return Entry(key, RetryRecord(**record), [Failure(**failure) for failure in history])
        except TypeError as error:  # a field that the installed localqueue-core does not know
            raise StoreVersionError(file) from error

    def write(self, entry: Entry) -> None:
        """Replace the file of an entry, or remove it. Only for the one that holds the lock."""
        file = self.file_of(entry.key)
        if entry.record is None:
            file.unlink(missing_ok=True)
            return
        unfinished = self.path / "unfinished"  # all that a killed writer leaves behind
        with open(unfinished, "w", encoding="utf-8", opener=_open_private) as stream:
            json.dump(asdict(entry), stream, ensure_ascii=False, indent=1)
        unfinished.replace(file)

    @contextmanager
    def locked(self) -> Generator[None, None, None]:
        """Be the only writer among all threads and processes."""
        with self._explained():
            # Opened each time anew: threads that shared a descriptor would share the lock.
            descriptor = self._open_lock()
            try:
                self._wait_for(descriptor)
                yield
            finally:
                # A child that was forked meanwhile has a copy of the descriptor, and with it the
                # lock: closing ours would not end it.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)

    def _open_lock(self) -> int:
        path = str(self.path / "lock")
        try:
            return os.open(path, os.O_RDWR)
        except FileNotFoundError:
            make_folders(str(self.path))
            refuse_network_filesystem(str(self.path), str(self.path))
            return _open_private(path, os.O_RDWR | os.O_CREAT)

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreLockedError(self.path) from None
            time.sleep(0.001)

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        """Put the system's errors into the words of the core."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFullError(self.path) from error
            problem = f"cannot be used ({error.strerror})"
            raise StoreError(self.path, problem, "check the folder and its owner") from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
