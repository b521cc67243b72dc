"""The contract of attempt stores."""

from __future__ import annotations

from localqueue.core.testing._base import OpenedStore
from localqueue.core.testing._forks import Forks
from localqueue.core.testing._kills import Kills
from localqueue.core.testing._lifetime import Lifetime
from localqueue.core.testing._listing import Pages, Pruning
from localqueue.core.testing._machine import Sequences
from localqueue.core.testing._outcomes import Outcomes
from localqueue.core.testing._processes import Processes
from localqueue.core.testing._reservations import Reservations
from localqueue.core.testing._threads import Threads
from localqueue.core.testing._values import Values


class AttemptStoreContract(
    Reservations,
    Outcomes,
    Pages,
    Pruning,
    Values,
    Sequences,
    Lifetime,
    Threads,
    Processes,
    Forks,
    Kills,
    OpenedStore,
):
    """What :class:`localqueue.core.AttemptStore` promises, as tests.

    A subclass whose name begins with ``Test`` gives the fixture ``store_url``; the suite opens
    the store by :func:`localqueue.core.open_attempt_store`, here and in other processes. Where
    the tests of this process should use a store with other options, override ``store``, too; it
    must be the store of that URL.
    """
