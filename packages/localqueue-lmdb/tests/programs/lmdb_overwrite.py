"""Write one key over and over: with the store, or as plain LMDB does it."""

import sys

import lmdb

from localqueue.core import RetryRecord
from localqueue.lmdb import LMDBAttemptStore

how, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
if how == "store":
    with LMDBAttemptStore(path, map_size=1 << 26) as store:
        for number in range(count):
            store.save("job:1", RetryRecord(attempts=number))
else:
    with lmdb.open(path, map_size=1 << 26, sync=False) as environment:
        for number in range(count):
            with environment.begin(write=True) as transaction:
                transaction.put(b"job:1", b"%06d" % number * 20)
