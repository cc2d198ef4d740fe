"""How fast clnn is on a device, beside other libraries on the same machine: `clnn bench`.

A suite is a list of cases; a case says what is computed, in names that clnn and torch share; a peer runs
cases. Every result is checked before it is timed, and all sides of a case are timed in alternating blocks.
"""

from .case import Case as Case
from .report import Report as Report
from .runner import SUITES as SUITES
from .runner import Settings as Settings
from .runner import run as run
