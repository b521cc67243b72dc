"""Stores by URL: the scheme names an entry point, so that anybody can ship one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from localqueue.core._errors import StoreError
from localqueue.core._memory import MemoryAttemptStore

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from localqueue.core._store import AttemptStore

ATTEMPT_STORES = "localqueue.attempt_stores"
"""The entry-point group; each name is a URL scheme, each value a function of the URL."""

_DISTRIBUTIONS = {"sqlite": "localqueue-sqlite", "lmdb": "localqueue-lmdb"}


def open_attempt_store(url: str) -> AttemptStore:
    """Make the store that ``url`` names, such as ``sqlite:///var/lib/jobs.sqlite3``.

    Raises ValueError for a text that is no URL or has an unknown scheme, ImportError where the
    scheme's distribution is not installed, and StoreError where a plug-in is broken.

    >>> str(open_attempt_store("memory:"))
    'memory:'
    """
    scheme, colon, _ = url.partition(":")
    if not colon or not scheme:
        raise ValueError(f"{url!r} is not a store URL such as sqlite:///var/lib/jobs.sqlite3")
    entry = _find(scheme)
    try:
        opener = entry.load()
    except Exception as error:
        owner = entry.dist.name if entry.dist is not None else entry.value
        raise StoreError(
            url,
            f"the {scheme!r} store of the distribution {owner!r} cannot be loaded ({error})",
            "repair or remove that distribution",
        ) from error
    store: AttemptStore = opener(url)
    return store


def open_memory_store(url: str) -> MemoryAttemptStore:
    """The opener of ``memory:``, a new store at each call.

    >>> open_memory_store("memory:").records()
    []
    """
    if url != "memory:":
        raise ValueError(f"a memory store has no path: write 'memory:', not {url!r}")
    return MemoryAttemptStore()


@cache  # looking through all installed distributions takes milliseconds
def _find(scheme: str) -> EntryPoint:
    from importlib.metadata import entry_points  # costly, and most processes ask once or never

    known = entry_points(group=ATTEMPT_STORES)
    for entry in known:
        if entry.name == scheme:
            return entry
    if scheme in _DISTRIBUTIONS:
        raise ImportError(
            f"the {scheme!r} store is not installed; install '{_DISTRIBUTIONS[scheme]}>=2'",
            name=f"localqueue.{scheme}",
        )
    schemes = ", ".join(sorted({entry.name for entry in known}))
    raise ValueError(
        f"no store is known for the scheme {scheme!r}; installed are: {schemes}; "
        "correct the URL, or install the distribution that ships the store"
    )
