"""The last failures of a key as a text, for stores that keep them so."""

from __future__ import annotations

from localqueue.core._record import HISTORY_LIMIT, Failure


def extend_history(history: str | bytes | None, failure: Failure) -> str:
    """The JSON of a history with one more failure at its end, and without those beyond the limit.

    Raises ValueError where ``history`` is not such a text.

    >>> extend_history(None, Failure(1, 5.0, "OSError"))
    '[[1, 5.0, "OSError", null]]'
    """
    import json  # only a failure needs it

    failures = [*parse_history(history), failure][-HISTORY_LIMIT:]
    return json.dumps(
        [(one.attempt, one.failed_at, one.error_type, one.error_message) for one in failures]
    )


def parse_history(history: str | bytes | None) -> list[Failure]:
    """The failures in a text of :func:`extend_history`, oldest first; none where there is no text.

    Raises ValueError where ``history`` is not such a text.

    >>> parse_history('[[1, 5.0, "OSError", null]]')
    [Failure(attempt=1, failed_at=5.0, error_type='OSError', error_message=None)]
    """
    if history is None:
        return []
    import json

    try:
        return [Failure(*row) for row in json.loads(history)]
    except TypeError as error:
        raise ValueError("this is no history of failures") from error
