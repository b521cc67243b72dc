"""A store as one would write it without a thought: it loads, changes and saves.

It does all that the protocol says as long as one thread of one process uses it, and nobody pulls
the plug between two lines.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from localqueue.core import (
    HISTORY_LIMIT,
    Failure,
    RetryRecord,
    StoreError,
    path_from_url,
    transitions,
)


class ToyStore:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.closed = False

    def __str__(self):
        return str(self.folder)

    def _path(self, key, kind):
        if self.closed:
            raise StoreError(self.folder, "was closed")
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.{kind}"

    def _read(self, key, kind):
        try:
            return json.loads(self._path(key, kind).read_text())
        except FileNotFoundError:
            return None

    def _write(self, key, kind, value):
        path = self._path(key, kind)
        scratch = path.with_suffix(f".{os.urandom(8).hex()}")
        scratch.write_text(json.dumps(value))
        scratch.replace(path)

    def _put(self, key, record):
        self._write(key, "record", [key, asdict(record)])

    def together(self, work):
        return work()

    def load(self, key):
        found = self._read(key, "record")
        return None if found is None else RetryRecord(**found[1])

    def reserve(self, key, record, *, expected):
        present = self.load(key)
        if (present and present.revision) != (expected and expected.revision):
            return False
        self._put(key, record)
        return True

    def settle(self, key, failure, *, budget, next_attempt_at=None, exhausted=False):
        record = self.load(key)
        if not transitions.is_running(record, budget):
            return None
        record = transitions.failed(
            record, failure, next_attempt_at=next_attempt_at, exhausted=exhausted
        )
        self._put(key, record)
        past = [*self.history(key), failure][-HISTORY_LIMIT:]
        self._write(key, "history", [asdict(one) for one in past])
        return record

    def release(self, key, *, budget, interruptions_allowed=None):
        record = self.load(key)
        if not transitions.is_releasable(record, budget, interruptions_allowed):
            return False
        left = transitions.released(record, interrupted=interruptions_allowed is not None)
        if left is None:
            self.delete(key)
        else:
            self._put(key, left)
        return True

    def complete(self, key, *, budget, succeeded_at=None):
        record = self.load(key)
        if not transitions.is_running(record, budget):
            return False
        if succeeded_at is None:
            self.delete(key)
        else:
            self._put(key, transitions.succeeded(record, at=succeeded_at))
        return True

    def delete(self, key):
        found = self.load(key) is not None
        self._path(key, "record").unlink(missing_ok=True)
        self._path(key, "history").unlink(missing_ok=True)
        return found

    def save(self, key, record):
        self._put(key, transitions.saved(record))

    def _all(self):
        self._path("", "")
        for path in self.folder.glob("*.record"):
            try:
                key, fields = json.loads(path.read_text())
            except FileNotFoundError:
                continue
            yield key, RetryRecord(**fields)

    def records(self, *, prefix="", state=None, after=None, limit=100):
        found = [
            (key, record)
            for key, record in self._all()
            if key.startswith(prefix) and key > (after or "") and state in (None, record.state)
        ]
        return sorted(found, key=lambda item: item[0])[: max(0, limit)]

    def history(self, key):
        return [Failure(**one) for one in self._read(key, "history") or ()]

    def _spent(self, older_than, now):
        horizon = transitions.prune_horizon(older_than, now)
        dated = (
            (transitions.exhaustion_time(record), key)
            for key, record in self._all()
            if record.state == "exhausted"
        )
        return [key for at, key in sorted(dated) if at <= horizon]

    def prune_exhausted(self, *, older_than, now, limit=None):
        spent = self._spent(older_than, now)
        return sum(self.delete(key) for key in spent[: None if limit is None else max(0, limit)])

    def count_exhausted_older_than(self, *, older_than, now):
        return len(self._spent(older_than, now))

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def open_store(url):
    return ToyStore(path_from_url(url))
