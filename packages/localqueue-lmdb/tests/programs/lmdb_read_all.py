"""Read every record: with the store, or as plain LMDB does it, without a look at the file."""

import sys

import lmdb
from lmdb_say import say

from localqueue.core import StoreError
from localqueue.lmdb import LMDBAttemptStore

how, path = sys.argv[1:]
if how == "store":
    try:
        with LMDBAttemptStore(path) as store:
            say(len(store.records(limit=1_000_000)))
    except StoreError as error:
        say(type(error).__name__, error)
else:
    with lmdb.open(path, max_dbs=4) as environment:
        with environment.begin(write=True) as transaction:
            records = environment.open_db(b"records", txn=transaction, create=False)
        with environment.begin(db=records) as transaction:
            say(sum(1 for _ in transaction.cursor()))
