"""Where stores live, and how a URL names a path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localqueue.core._errors import StoreError

# pathlib and urllib are half of what importing this package would take; most programs need neither.
if TYPE_CHECKING:
    from pathlib import Path


def default_attempt_store_path() -> Path:
    """``$XDG_DATA_HOME/localqueue/retries.sqlite3``, or the same under ``~/.local/share``.

    A relative ``XDG_DATA_HOME`` is ignored, as the XDG base directory specification demands.
    Raises StoreError where the user has no home folder.

    >>> default_attempt_store_path().name
    'retries.sqlite3'
    """
    from pathlib import Path

    base = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(base):
        return Path(base, "localqueue", "retries.sqlite3")
    try:
        return Path.home() / ".local" / "share" / "localqueue" / "retries.sqlite3"
    except RuntimeError as error:
        raise StoreError(
            "~/.local/share/localqueue/retries.sqlite3",
            "has no place, because this user has no home folder",
            "set XDG_DATA_HOME, or give store_path=",
        ) from error


def path_from_url(url: str) -> Path:
    """The path that a store URL such as ``sqlite:///var/lib/x.sqlite3`` names.

    Percent escapes are decoded. ``scheme:relative/path`` is taken from the current folder.
    Raises ValueError for a host, a query or a fragment, and where there is no path.

    >>> path_from_url("sqlite:///var/lib/jobs%20at%20night.sqlite3").as_posix()
    '/var/lib/jobs at night.sqlite3'
    """
    from pathlib import Path
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    if parts.netloc:
        raise ValueError(
            f"the store URL {url!r} has a host; the path of a URL is absolute and starts with "
            f"three slashes, as in {parts.scheme}:///var/lib/{parts.netloc}{parts.path}"
        )
    if parts.query or parts.fragment:
        raise ValueError(f"the store URL {url!r} has a '?' or '#' in it; escape it as %3F or %23")
    if not parts.path.strip("/"):
        raise ValueError(f"the store URL {url!r} has no path")
    return Path(os.fsdecode(unquote_to_bytes(parts.path))).absolute()


def path_to_url(scheme: str, path: str | os.PathLike[str]) -> str:
    """The URL that names ``path``, made absolute, for a store of the given scheme.

    >>> path_to_url("sqlite", "/var/lib/jobs at night.sqlite3")
    'sqlite:///var/lib/jobs%20at%20night.sqlite3'
    """
    from urllib.parse import quote

    return f"{scheme}://{quote(os.fsencode(os.path.abspath(path)))}"
