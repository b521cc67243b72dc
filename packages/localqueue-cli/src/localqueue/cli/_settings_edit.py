"""Changing the settings file: comments stay, nothing is lost, nobody sees half a file."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from localqueue.cli._options import parse_duration
from localqueue.cli._settings import (
    NAMES,
    SettingsError,
    check,
    is_url,
    parse_text,
    read_text,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping
    from pathlib import Path
    from typing import Any

_LOCK_SECONDS = 10.0
_RETRY_SECONDS = 0.01

TEMPLATE = """\
# Settings of localqueue. A line that starts with "#" changes nothing.

# The SQLite file of the queues.
# store_path = "/var/lib/myapp/queue.sqlite3"

# The SQLite file of the retry budgets.
# retry_store_path = "/var/lib/myapp/retries.sqlite3"

# Dead letters that are older, in seconds, may be pruned.
# dead_letter_ttl_seconds = 2592000

# Exhausted retry records that are older, in seconds, are what "localqueue retry prune" removes.
# retry_record_ttl_seconds = 604800
"""


def from_text(name: str, text: str) -> str | float:
    """The value that was typed for a setting; a ValueError says why it is none.

    >>> from_text("retry_record_ttl_seconds", "7d")
    604800
    """
    if name.endswith("_seconds"):
        seconds = parse_duration(text)
        return int(seconds) if seconds.is_integer() else seconds
    if text and not is_url(text):
        text = os.path.abspath(os.path.expanduser(text))
    return check(name, text)


def set_value(path: Path, name: str, value: str | float) -> None:
    """Write one setting, of which the value has been checked."""

    def change(document: MutableMapping[str, Any]) -> None:
        document[name] = value

    _edit(path, change)


def unset_value(path: Path, name: str) -> bool:
    """Remove one setting; returns whether it was there.

    What is no setting at all can be removed, too, where the file holds it; elsewhere it is a
    ValueError.
    """
    found = False

    def change(document: MutableMapping[str, Any]) -> None:
        nonlocal found
        found = name in document
        if found:
            del document[name]
        elif name not in NAMES:
            raise ValueError(unknown(name))

    _edit(path, change)
    return found


def create(path: Path) -> bool:
    """Write a file that explains every setting; returns False where there is a file already."""
    with _failures_named(path), _locked(path) as target:
        if read_text(path) is not None:
            return False
        _replace(target, TEMPLATE)
        return True


def _edit(path: Path, change: Callable[[MutableMapping[str, Any]], None]) -> None:
    with _failures_named(path), _locked(path) as target:
        before = read_text(path) or ""
        data = parse_text(before, path)
        change(data)
        after = _with_comments(before, path, change)
        # The file is the user's: what cannot be changed faithfully is not changed.
        if parse_text(after, path) != data:
            raise SettingsError(path, None, "cannot be changed here; edit it by hand")
        if after != before:
            _replace(target, after)


def _with_comments(
    text: str, path: Path, change: Callable[[MutableMapping[str, Any]], None]
) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        change(document)
        return tomlkit.dumps(document)
    except (TOMLKitError, RecursionError) as error:
        raise SettingsError(path, None, f"cannot be changed here ({error})") from error


@contextlib.contextmanager
def _failures_named(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(path, None, f"cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def _locked(path: Path) -> Generator[str, None, None]:
    """Keep other processes from changing the file; gives the path behind all symlinks."""
    from localqueue.core import make_folders

    read_text(path)  # beside what is no file, such as a device, nothing is made
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    make_folders(folder)
    lock = os.path.join(folder, f".{name}.lock")
    descriptor = _lock(lock, path)
    try:
        yield target
    finally:
        # Removed while it is held: whoever waits for it finds that it is gone, and makes a new one.
        with contextlib.suppress(OSError):  # Windows removes no open file
            os.unlink(lock)
        os.close(descriptor)


def _lock(lock: str, path: Path) -> int:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _try_lock(descriptor) and _is_still(lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise SettingsError(path, None, "is being changed by another process; try again")
        time.sleep(_RETRY_SECONDS)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_still(lock: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _replace(target: str, text: str) -> None:
    """Put ``text`` in the place of the file at once; only the holder of the lock may call it."""
    folder, name = os.path.split(target)
    new = os.path.join(folder, f".{name}.new")
    with contextlib.suppress(FileNotFoundError):  # what a killed process has left
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            _keep_owner(target, descriptor)
            os.fsync(descriptor)
        os.replace(new, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    _sync_folder(folder)


if sys.platform == "win32":

    def _keep_owner(target: str, descriptor: int) -> None:
        pass

    def _sync_folder(folder: str) -> None:
        pass
else:

    def _keep_owner(target: str, descriptor: int) -> None:
        """Let a file that root changes for its user remain the user's."""
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(target)
            if found.st_uid != os.geteuid():
                os.fchown(descriptor, found.st_uid, found.st_gid)

    def _sync_folder(folder: str) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
