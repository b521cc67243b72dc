"""What is written down of an exception."""

from __future__ import annotations

MESSAGE_LIMIT = 2048
"""The longest error message that a record keeps, in bytes of UTF-8."""


def describe_error(error: BaseException) -> tuple[str, str]:
    """The type and the message of an exception as a record keeps them.

    Builtin types go by their name, others by module and name. The message is cut at 2 kB; what
    is not valid UTF-8 is escaped, control characters are kept as they are.

    >>> describe_error(ConnectionError("refused"))
    ('ConnectionError', 'refused')
    """
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001  # the job's error counts, however badly it prints
        text = f"<no message: str() raised {type(broken).__qualname__}>"
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) > MESSAGE_LIMIT:
        raw = raw[: MESSAGE_LIMIT - 3] + b"..."
    return name, raw.decode("utf-8", "ignore")
