"""The command `facevault`: `python -m facevault_bench` is the same."""

import signal
import sys

from . import export
from ._native import command


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    if export.is_meant(sys.argv[1:]):
        return export.main(sys.argv[2:])
    # The command has its own handler; until it is there, Ctrl-C ends the process as it ends any program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(["facevault", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
