"""Save a number of records, each in a commit of its own, into a store that starts small."""

import sys

from localqueue.core import RetryRecord
from localqueue.lmdb import LMDBAttemptStore

path, worker, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with LMDBAttemptStore(path, map_size=65536) as store:
    for number in range(count):
        store.save(f"{worker}:{number:06}", RetryRecord(attempts=1, first_attempt_at=float(number)))
