"""The attempt store that a command works on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from localqueue.cli._errors import NOTHING_THERE, CliError

if TYPE_CHECKING:
    from localqueue.core import AttemptStore

_WITH_PATHS = ("sqlite", "lmdb")


def attempt_store_url(store: str | None, store_path: str | None) -> str:
    """The URL of the store: from the options, else from the settings, else the default."""
    from localqueue.core import default_attempt_store_path, path_to_url

    if store is not None and store_path is not None:
        raise click.UsageError("give --store or --store-path, not both")
    if store is not None:
        return store
    if store_path is None:
        from localqueue.cli._settings import load_settings

        store_path = load_settings().retry_store_path
    if store_path == "":
        raise click.UsageError("--store-path is empty")
    try:
        return path_to_url("sqlite", store_path or default_attempt_store_path())
    except RuntimeError as error:  # there is no home folder
        raise CliError(f"{error}; name the file with --store-path") from error


def open_attempt_store(
    store: str | None, store_path: str | None, *, create: bool = False
) -> AttemptStore:
    """The store, for a ``with`` statement.

    Unless ``create``, a file that is not there is an error: a typing mistake must not make a new,
    empty store.
    """
    from localqueue.core import open_attempt_store as open_by_url

    url = attempt_store_url(store, store_path)
    try:
        opened = open_by_url(url)  # first: what is not installed is told even where nothing is
        if not create:
            _refuse_missing(url)
    except ImportError as error:
        raise CliError(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return opened


def _refuse_missing(url: str) -> None:
    from localqueue.core import path_from_url

    if url.partition(":")[0] not in _WITH_PATHS:
        return
    path = path_from_url(url)
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise CliError(f"{path}: there is no store yet", NOTHING_THERE) from None
    except OSError:
        pass  # the store has a better word for it
