"""A nightly job with a retry budget that outlives its process: copy it, change send_report().

    nightly_report.py [--day 2026-01-31] [--reset] [--die]

Put it into cron every ten minutes of the night. Each run makes at most one attempt, and no run
makes one once the report is sent or its budget is spent. Exit status: 0 sent, 75 failed or not
due yet (a later run goes on), 69 given up.
"""

import argparse
import logging
import os
import signal
import sys
from datetime import date
from urllib.request import Request, urlopen

from tenacity import retry_if_exception_type, wait_fixed

from localqueue.retry import (
    PersistentRetryExhausted,
    RetryDeferred,
    key_from_argument,
    persistent_retry,
)

URL = os.environ.get("REPORT_URL", "http://127.0.0.1:9/reports")  # where nobody listens
BUDGET = 3


@persistent_retry(
    key_fn=key_from_argument("day", prefix="nightly-report"),
    max_tries=BUDGET,
    retry=retry_if_exception_type(OSError),  # the network; a bug in the report is not retried
    wait=wait_fixed(1),  # an hour would be wait_fixed(3600)
    max_in_process_wait=0,  # never sleep here: the next run of cron goes on
    clear_on_success=False,  # so that --day shows what was sent
)
def send_report(day: str, *, die: bool = False) -> None:
    attempt = send_report.statistics["attempt_number"]
    print(f"attempt {attempt} of {BUDGET} for {day}", flush=True)
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    report = f"all is well on {day}".encode()
    with urlopen(Request(URL, data=report), timeout=10):
        print(f"sent the report of {day}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Send the report of a day, at most once.")
    parser.add_argument("--day", default=date.today().isoformat())
    parser.add_argument("--reset", action="store_true", help="start a new budget for the day")
    parser.add_argument("--die", action="store_true", help="kill -9 in the middle of the attempt")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level="ERROR")

    key = f"nightly-report:{options.day}"
    if options.reset:
        send_report.retry.reset(key)
    record = send_report.retry.get_record(key)
    if record is not None and record.succeeded_at is not None:
        print(f"the report of {options.day} is sent already")
        return 0
    try:
        send_report(options.day, die=options.die)
    except RetryDeferred as later:
        print(f"{later.__cause__ or 'too early'}: {later}")
        return 75
    except PersistentRetryExhausted as spent:
        print(f"refused: {spent}")
        return 69
    except OSError as error:
        print(f"given up after {BUDGET} attempts: {error}")
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
