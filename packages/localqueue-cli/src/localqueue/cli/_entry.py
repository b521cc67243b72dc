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
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        # Nothing has to be put in order yet: Ctrl-C ends the imports without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from localqueue.cli._main import cli

    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What the terminal's encoding cannot show is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    cli.main(prog_name="localqueue")
