"""The first lines that run: signals and streams, before anything large is imported."""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line of this process and exit."""
    if hasattr(signal, "SIGPIPE"):
        # "localqueue retry list | head" ends as any other program in a pipe.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command runs, nothing has to be put in order: Ctrl-C ends the imports at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from localqueue.cli._main import cli

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What the terminal's encoding cannot show is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    cli.main(prog_name="localqueue")
