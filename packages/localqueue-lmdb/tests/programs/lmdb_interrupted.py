"""Write while signals raise KeyboardInterrupt at random moments, and keep their tracebacks."""

import json
import random
import signal
import sys

from lmdb_say import say

from localqueue.core import RetryRecord
from localqueue.lmdb import LMDBAttemptStore

path, interrupts = sys.argv[1], int(sys.argv[2])
random.seed(interrupts)
interrupted: list[KeyboardInterrupt] = []
number = 0
with LMDBAttemptStore(path) as store:
    store.save("job:1", RetryRecord(attempts=0))
    while len(interrupted) < interrupts:
        try:
            # A repeating signal, so that one may also come while another is dealt with.
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.003))
            while True:
                number += 1
                store.save("job:1", RetryRecord(attempts=number))
        except KeyboardInterrupt as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            interrupted.append(error)  # a frame in it may hold a transaction
    number += 1
    store.save("job:1", RetryRecord(attempts=number))
    say(json.dumps([len(interrupted), number]))
    sys.stdin.read()
