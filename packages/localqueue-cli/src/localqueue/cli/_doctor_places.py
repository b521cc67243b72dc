"""What a doctor sees of a store's place without opening it: file system, room, permissions."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from localqueue.cli._records import moment, shell_word
from localqueue.core import StoreError, refuse_network_filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator

Status: TypeAlias = Literal["ok", "note", "problem"]

TOLERANCE_SECONDS = 60.0
"""A clock that is a little wrong is everywhere."""

_LEAST_ROOM_BYTES = 64 * 1024 * 1024
_MEGABYTE = 1_000_000


class Finding(NamedTuple):
    """One thing that was looked at. A note is worth knowing; a problem wants something done."""

    check: str
    status: Status
    found: str
    remedy: str = ""


def look_at_place(path: str) -> Iterator[Finding]:
    """The findings about where the file or folder ``path`` lies, or would lie."""
    folder = _nearest_folder(path)
    yield _file_system(path, folder)
    yield _room(folder)
    if not os.path.lexists(path) and not os.access(folder, os.W_OK | os.X_OK):
        found = f"this user cannot write into {folder}"
        yield Finding("permissions", "problem", found, "check its owner and permissions")


def look_at_permissions(path: str) -> Iterator[Finding]:
    """The findings about who may use the store at ``path`` and the files around it."""
    if not hasattr(os, "geteuid") or not os.path.exists(path):  # Windows keeps no such modes
        return
    # A store is a file with helpers beside it, or a folder with files in it.
    if os.path.isdir(path):
        folder, files = path, sorted(entry.path for entry in os.scandir(path))
    else:
        folder = os.path.dirname(path)
        files = [f"{path}{end}" for end in ("", "-wal", "-shm")]
    faults = [fault for file in files for fault in _file_faults(file, os.stat(path).st_uid)]
    for found, remedy in faults:
        yield Finding("permissions", "problem", found, remedy)
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    if mode & 0o022 and not mode & stat.S_ISVTX:
        yield Finding(
            "permissions",
            "problem",
            f"others may put files into {folder} (mode {mode:04o})",
            f"chmod 700 {shell_word(folder)}",
        )
    elif mode & 0o077:
        yield Finding(
            "permissions",
            "note",
            f"others may look into {folder} (mode {mode:04o})",
            f"chmod 700 {shell_word(folder)}, unless that is meant",
        )
    elif not faults:
        yield Finding("permissions", "ok", "the owner's alone")


def future_records(count: int, newest: float | None, now: float) -> Finding:
    """The finding about ``count`` records with a time after now, the last of them ``newest``."""
    if count == 0:
        return Finding("clock", "ok", "no record is from the future")
    return Finding(
        "clock",
        "problem",
        f"{count} {'record is' if count == 1 else 'records are'} from the future, the newest from"
        f" {moment(newest, now)}",
        "set the clock of this machine; where it was wrong for a while, reset these keys",
    )


def megabytes(size: int) -> str:
    """A size for people.

    >>> megabytes(1_500_000)
    '1.5 MB'
    """
    return f"{size / _MEGABYTE:,.1f} MB"


def _nearest_folder(path: str) -> str:
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _file_system(path: str, folder: str) -> Finding:
    try:
        refuse_network_filesystem(path, folder)
    except StoreError as error:
        return Finding("file system", "problem", error.problem, error.remedy)
    return Finding("file system", "ok", "no network file system")


def _room(folder: str) -> Finding:
    if not hasattr(os, "statvfs"):  # Windows
        import shutil

        left, files_left = shutil.disk_usage(folder).free, True
    else:
        numbers = os.statvfs(folder)
        left = numbers.f_bavail * numbers.f_frsize
        # Some file systems do not count files and report none at all.
        files_left = numbers.f_favail > 0 or numbers.f_files == 0
    if left < _LEAST_ROOM_BYTES:
        return Finding(
            "free space", "problem", f"{megabytes(left)} are left", "free some disk space"
        )
    if not files_left:
        return Finding("free space", "problem", "no new file fits", "remove files that are unused")
    return Finding("free space", "ok", f"{megabytes(left)} are left")


def _file_faults(file: str, owner: int) -> Iterator[tuple[str, str]]:
    try:
        found = os.stat(file)
    except FileNotFoundError:  # a helper that is made when it is needed
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        yield f"others may use {file} (mode {mode:04o})", f"chmod 600 {shell_word(file)}"
    if found.st_uid != owner:
        yield f"{file} has another owner than the store", f"chown {owner} {shell_word(file)}"
    if not os.access(file, os.R_OK | os.W_OK):
        yield f"{file} cannot be read and written by this user", "run this as its owner"
