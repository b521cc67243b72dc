"""The LMDB store keeps the contract."""

from pathlib import Path

import pytest

from localqueue.core import path_to_url
from localqueue.core.testing import AttemptStoreContract, GroupCommitContract


class EmptyLMDB:
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return path_to_url("lmdb", tmp_path / "retries")


class TestLMDBAttemptStore(EmptyLMDB, AttemptStoreContract):
    pass


class TestLMDBGroupCommit(EmptyLMDB, GroupCommitContract):
    pass
