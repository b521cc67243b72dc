"""Send the report of a day: at most three attempts, one each time that this is started."""

import os
import sys
from pathlib import Path

from tenacity import wait_fixed

from localqueue.retry import key_from_argument, persistent_retry


@persistent_retry(
    store=sys.argv[1],  # such as plainfiles:///var/lib/reports/retries
    key_fn=key_from_argument("day"),
    max_tries=3,
    wait=wait_fixed(0.01),
    max_in_process_wait=0,
)
def send_report(day: str) -> None:
    with Path("attempts.log").open("a") as log:
        log.write(f"{day}: process {os.getpid()}\n")
    raise ConnectionError("the server does not answer")


send_report(sys.argv[2])
