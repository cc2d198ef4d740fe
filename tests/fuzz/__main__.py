"""`python -m fuzz`: start workers one after the other, show how far they are, and sum up."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fuzz.worker import Worker


def main() -> int:
    """The exit status: whether something was found."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--device", action="append")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--ops", nargs="*", default=[])
    args = parser.parse_args()
    import clnn

    devices = args.device or [d.name for d in clnn.devices() if d.name != "cpu"]
    last = Path(tempfile.mkstemp()[1])
    Worker(args.seed, time.time() + 60 * args.minutes, devices, args.ops, last).run(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
