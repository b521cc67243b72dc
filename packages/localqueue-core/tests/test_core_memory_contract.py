"""The memory store keeps the contract, as far as a store without a file can."""

import pytest

from localqueue.core.testing import AttemptStoreContract


class TestMemoryAttemptStore(AttemptStoreContract):
    survives_reopening = False
    shared_between_processes = False

    @pytest.fixture
    def store_url(self) -> str:
        return "memory:"
