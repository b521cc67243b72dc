"""What the commands say of a record: its fields, its times, and what happens next."""

from __future__ import annotations

import os
import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localqueue.core import AttemptStore, RecordState, RetryRecord

_PAGE = 500
_TOKENS = frozenset({"budget", "revision"})
_LAST_OF_FOUR_DIGITS = 0xFFFF
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def as_item(key: str, record: RetryRecord) -> dict[str, Any]:
    """The record as JSON has it: every field as it is stored, times in Unix seconds."""
    item: dict[str, Any] = {"key": key, "state": record.state}
    for field in fields(record):
        if field.name not in _TOKENS:
            item[field.name] = getattr(record, field.name)
    return item


def error_text(error_type: str | None, message: str | None) -> str:
    """An error in one text; empty where there is none.

    >>> error_text("OSError", "no route"), error_text("OSError", None)
    ('OSError: no route', 'OSError')
    """
    return ": ".join(part for part in (error_type, message) if part)


def pages(
    store: AttemptStore,
    *,
    prefix: str = "",
    state: RecordState | None = None,
    after: str | None = None,
) -> Iterator[list[tuple[str, RetryRecord]]]:
    """All matching records; nothing of the store stays open between two pages."""
    while page := store.records(prefix=prefix, state=state, after=after, limit=_PAGE):
        yield page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def moment(at: float | None, now: float) -> str:
    """A time for people: the clock of this machine, and how far away it is.

    >>> moment(None, 0.0)
    'never'
    >>> moment(1e300, 0.0)
    '1e+300 (not a date)'
    """
    if at is None:
        return "never"
    from datetime import UTC, datetime

    try:
        date = datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")
    except (OverflowError, ValueError, OSError):
        return f"{at!r} (not a date)"
    return f"{date} ({distance(at - now)})"


def distance(seconds: float) -> str:
    """How far away a moment is.

    >>> distance(90.0), distance(-7200.0)
    ('in 90 s', '2 h ago')
    """
    return f"in {length(seconds)}" if seconds > 0 else f"{length(-seconds)} ago"


def length(seconds: float) -> str:
    """A length of time in the largest unit of which there are two or more.

    >>> length(90.0), length(604800.0), length(0.25)
    ('90 s', '7 d', '0.2 s')
    """
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.1f} s"


def reset_command(key: str, store: str | None, store_path: str | None) -> str:
    """The command that lets the key run again, to be copied into a shell.

    >>> reset_command("nightly-backup", None, None)
    'localqueue retry reset nightly-backup'
    """
    words = ["localqueue", "retry", "reset"]
    if store is not None:
        words += ["--store", shell_word(store)]
    if store_path is not None:
        words += ["--store-path", shell_word(os.path.abspath(store_path))]
    if key.startswith("-"):
        words.append("--")
    return " ".join([*words, shell_word(key)])


def shell_word(text: str) -> str:
    r"""The text quoted for bash and zsh: what does not print is escaped, and still means itself.

    >>> print(shell_word("it's"), shell_word("red\x1b"))
    'it'"'"'s' $'red\u001b'
    """
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_in_quotes, text))}'"


def _in_quotes(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "\\'" else character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08x}"


def what_next(record: RetryRecord, now: float) -> str:
    """What happens at the next call with the key, and when."""
    if record.state == "exhausted":
        return "nothing runs any more: the budget is spent"
    if record.state == "succeeded":
        return "the next call starts a new budget"
    from localqueue.core.transitions import due_at

    due = due_at(record, now)
    if due > now:
        return f"the next attempt is due {moment(due, now)}"
    return "the next call may start an attempt at once, unless its own stop rule says otherwise"


def unanswered(record: RetryRecord, now: float) -> str | None:
    """What is known of an attempt that has begun and has no outcome; None where there is none."""
    begun, failed = record.last_attempt_at, record.last_error_at
    if record.state == "succeeded" or begun is None or record.attempts == 0:
        return None
    if record.owner is None or (failed is not None and failed >= begun):
        return None
    fate = f"{_fate(record.owner)} ({record.owner})"
    return f"attempt {record.attempts} of {moment(begun, now)} {fate}"


def _fate(owner: str) -> str:
    host, _, pid = owner.rpartition(":")
    if hasattr(os, "uname") and host == os.uname().nodename and pid.isdecimal():
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, OverflowError):
            return "has died with its process"
        except PermissionError:
            pass
        return "still runs, if that process is the same"
    return "still runs, or has died with its process"
