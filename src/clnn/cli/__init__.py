"""The `clnn` command: one module per subcommand, with `register(subparsers)` and `run(args)`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import ClnnError
from . import bench, demo, devices, doctor, tune

COMMANDS = (devices, demo, bench, tune, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, 2 for whatever clnn refuses."""
    parser = argparse.ArgumentParser(
        prog="clnn", description="Neural networks on any OpenCL device."
    )
    parser.add_argument("--version", action="version", version=f"clnn {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(subparsers).set_defaults(run=command.run)
    args = parser.parse_args(argv)
    try:
        code: int = args.run(args)
    except ClnnError as error:
        sys.stderr.write(f"clnn: {error}\n")
        return 2
    return code
