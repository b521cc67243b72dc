"""Stores of other distributions under their old names, loaded when they are asked for."""

from __future__ import annotations

from importlib import import_module

_STORES = {
    "SQLiteAttemptStore": ("localqueue.sqlite", "localqueue-sqlite"),
    "LMDBAttemptStore": ("localqueue.lmdb", "localqueue[lmdb]"),
}


def load_store_class(name: str) -> object:
    """The store class ``name``; ImportError says what to install, AttributeError that it is none."""
    if name not in _STORES:
        raise AttributeError(f"module 'localqueue.retry' has no attribute {name!r}")
    module, distribution = _STORES[name]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ImportError(
            f"{name} is not installed; install '{distribution}>=2'", name=module
        ) from None
