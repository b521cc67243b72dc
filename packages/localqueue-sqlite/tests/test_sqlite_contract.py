"""The SQLite store keeps the contract."""

from pathlib import Path

import pytest

from localqueue.core import path_to_url
from localqueue.core.testing import AttemptStoreContract, GroupCommitContract


class EmptySQLite:
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return path_to_url("sqlite", tmp_path / "retries.sqlite3")


class TestSQLiteAttemptStore(EmptySQLite, AttemptStoreContract):
    pass


class TestSQLiteGroupCommit(EmptySQLite, GroupCommitContract):
    pass
