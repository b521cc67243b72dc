"""The same with a map that does not grow: what happens without the store's care."""

import sys

import lmdb

with lmdb.open(sys.argv[1], map_size=65536) as environment:
    for number in range(int(sys.argv[2])):
        with environment.begin(write=True) as transaction:
            transaction.put(b"%06d" % number, b"x" * 100)
