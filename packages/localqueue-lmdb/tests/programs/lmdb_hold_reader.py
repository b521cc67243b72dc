"""Begin to read, say so, and wait to be killed."""

import sys

import lmdb
from lmdb_say import say

environment = lmdb.open(sys.argv[1], max_dbs=4)
transaction = environment.begin()
transaction.get(b"localqueue")
say("reading")
sys.stdin.read()
