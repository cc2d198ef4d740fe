"""`python -m clnn` is the `clnn` command."""

import sys

from clnn.cli import main

sys.exit(main())
