"""The contract that every store keeps, as tests that a store's own tests run.

Install ``localqueue-core[testing]``, subclass the contract and give it one fixture, the URL of an
empty store. The scheme's entry point must be installed, as it is for those who use the store::

    import pytest
    from localqueue.core import path_to_url
    from localqueue.core.testing import AttemptStoreContract


    class TestSQLiteAttemptStore(AttemptStoreContract):
        @pytest.fixture
        def store_url(self, tmp_path):
            return path_to_url("sqlite", tmp_path / "retries.sqlite3")

A store that has :meth:`localqueue.core.GroupCommit.together` subclasses ``GroupCommitContract`` in
the same way.

What a store cannot do is said by the flags of the class, such as ``usable_after_fork = False``;
the tests that need it are skipped then. A test that a subclass redefines or sets to None makes
the suite fail, unless ``contract_exceptions`` gives the reason.
"""

import pytest

# An assert tells its values only in modules that pytest knows of before they are imported.
_MODULES = (
    "_attempts",
    "_base",
    "_children",
    "_forks",
    "_groups",
    "_kills",
    "_lifetime",
    "_listing",
    "_machine",
    "_outcomes",
    "_processes",
    "_reservations",
    "_steps",
    "_threads",
    "_values",
    "_worker",
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from localqueue.core.testing._attempts import AttemptStoreContract  # noqa: E402  # see above
from localqueue.core.testing._groups import GroupCommitContract  # noqa: E402  # see above

__all__ = ["AttemptStoreContract", "GroupCommitContract"]
