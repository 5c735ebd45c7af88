"""The command `facevault`: `python -m facevault_bench` is the same."""

import signal
import sys

from . import export
from ._native import command


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    exported = export.meant(sys.argv[1:])
    if exported is not None:
        return export.main(exported)
    # The command has its own handler; until it is there, Ctrl-C ends the process as it ends any program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(["facevault", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
