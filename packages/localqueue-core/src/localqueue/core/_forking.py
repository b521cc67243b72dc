"""Objects that must not carry their locks and handles into a forked child."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class _Renewable(Protocol):
    def renew_after_fork(self) -> None: ...


_renewables: weakref.WeakSet[_Renewable] = weakref.WeakSet()


def renew_after_fork(target: _Renewable) -> None:
    """Call ``target.renew_after_fork()`` in every child that this process forks.

    The child has one thread then, so that a fresh lock can be put in the place of one that
    another thread of the parent may have held. ``target`` is not kept alive.

    >>> class Connection:
    ...     def renew_after_fork(self) -> None:
    ...         self.handle = None
    >>> renew_after_fork(Connection())
    """
    _renewables.add(target)


def _in_child() -> None:
    for target in list(_renewables):
        target.renew_after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
