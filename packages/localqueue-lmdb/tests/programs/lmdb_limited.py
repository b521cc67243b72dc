"""Save records until a file may not grow any more; then go on with more room."""

import json
import resource
import sys

from lmdb_say import say

from localqueue.core import RetryRecord, StoreError
from localqueue.lmdb import LMDBAttemptStore

path, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
saved = 0
said = []
with LMDBAttemptStore(path, map_size=65536) as store:
    for _ in range(3):
        try:
            while saved < 2000:
                store.save(f"job:{saved:06}", RetryRecord(attempts=1, owner="x" * 500))
                saved += 1
        except StoreError as error:
            said.append([type(error).__name__, type(error.__cause__).__name__])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    kept = saved
    while saved < kept + 200:
        store.save(f"job:{saved:06}", RetryRecord(attempts=1, owner="x" * 500))
        saved += 1
    say(json.dumps([said, kept, saved, len(store.records(limit=10_000))]))
