"""The variables of the environment that clnn reads: names, meanings and values, in one place."""

from __future__ import annotations

import os
from typing import NamedTuple

from .errors import SettingError


class Switch(NamedTuple):
    """A variable; with `values` it is one of these, and `default` where it is not set."""

    name: str
    means: str
    values: tuple[str, ...] = ()
    default: str = ""

    def text(self) -> str:
        """What it is set to, or nothing."""
        return os.environ.get(self.name, "").strip()

    def read(self) -> str:
        """The value in force; raises SettingError for one that does not exist."""
        asked = self.text().lower() or self.default
        if asked not in self.values:
            raise SettingError(f"{self.name}: expected one of {', '.join(self.values)}, got {asked!r}")  # fmt: skip
        return asked


DEVICE = Switch("CLNN_DEVICE", "the default device")
TUNE = Switch("CLNN_TUNE", "whether results of clnn tune are used", ("off", "cache", "auto"), "cache")  # fmt: skip
SELFTEST = Switch(
    "CLNN_SELFTEST", "when algorithms are compared with the reference", ("off", "first-use", "always"), "first-use",
)  # fmt: skip
DISABLE = Switch("CLNN_DISABLE", "algorithms that are not used")
PRETEND = Switch("CLNN_PRETEND", "facts of another device, for tests")
TEST_MIN_PLATFORMS = Switch(
    "CLNN_TEST_MIN_PLATFORMS", "how many OpenCL platforms the tests insist on"
)
ALL = (DEVICE, TUNE, SELFTEST, DISABLE, PRETEND, TEST_MIN_PLATFORMS)
