"""`python -m clnn.compat.keydnn` is KeyDNN's command."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
