"""The README's example does what the README says of it, in processes of its own."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "nightly_report.py"
DUE = 1.1  # the example waits a second between attempts

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"XDG_DATA_HOME": str(tmp_path)} | variables
        command = [sys.executable, str(EXAMPLE), "--day", "2026-01-31", *options]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run


@pytest.fixture
def report_server() -> Iterator[str]:
    class Accept(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Accept) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/reports"
        server.shutdown()
        thread.join()


def test_budget_goes_on_from_run_to_run_and_then_refuses(run: Run) -> None:
    for attempt, status in ((1, 75), (2, 75), (3, 69)):
        result = run()
        assert result.stdout.startswith(f"attempt {attempt} of 3"), result
        assert result.returncode == status
        time.sleep(DUE)
    refused = run()
    assert refused.stdout.startswith("refused: the retry budget of 'nightly-report:2026-01-31'")
    assert refused.returncode == 69
    assert run("--reset").stdout.startswith("attempt 1 of 3")


def test_a_run_before_its_time_makes_no_attempt(run: Run) -> None:
    assert run().returncode == 75
    early = run()
    assert early.stdout.startswith("too early")
    assert early.returncode == 75


def test_kill_9_is_counted(run: Run) -> None:
    for attempt in (1, 2, 3):
        killed = run("--die")
        assert killed.returncode == -signal.SIGKILL
        assert killed.stdout.startswith(f"attempt {attempt} of 3")
    assert run().returncode == 69


def test_a_sent_report_is_not_sent_again(run: Run, report_server: str) -> None:
    assert run().returncode == 75
    time.sleep(DUE)
    sent = run(REPORT_URL=report_server)
    assert sent.returncode == 0, sent
    assert "sent the report of 2026-01-31" in sent.stdout
    assert run(REPORT_URL=report_server).stdout == "the report of 2026-01-31 is sent already\n"
