"""Who runs an attempt."""

from __future__ import annotations

import os
from functools import cache


@cache
def _host() -> str:
    from socket import gethostname  # slow to import, and needed once

    return gethostname()


def owner() -> str:
    """``host:pid`` of this process."""
    return f"{_host()}:{os.getpid()}"
