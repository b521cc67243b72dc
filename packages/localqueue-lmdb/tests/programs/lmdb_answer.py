"""Open a store, and then save or load the key of each line that comes in."""

import sys

from lmdb_say import say

from localqueue.core import RetryRecord
from localqueue.lmdb import LMDBAttemptStore

with LMDBAttemptStore(sys.argv[1], map_size=65536) as store:
    store.load("nothing")
    say("open")
    for line in sys.stdin:
        what, key = line.split()
        if what == "save":
            store.save(key, RetryRecord(attempts=1))
        record = store.load(key)
        say(record.attempts if record else None)
