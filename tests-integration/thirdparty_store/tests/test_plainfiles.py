"""The store keeps the contract."""

from pathlib import Path

import pytest

from localqueue.core import path_to_url
from localqueue.core.testing import AttemptStoreContract


class TestPlainFilesAttemptStore(AttemptStoreContract):
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return path_to_url("plainfiles", tmp_path / "retries")
