"""The tuner: finds the fastest algorithm and values of its tunables for a call, and trusts none unverified.

Loading it is what makes CLNN_TUNE=auto work for the devices that are opened afterwards.
"""

from ..backends.opencl import tuning as _tuning
from .auto import automatic as automatic
from .case import Case as Case
from .case import record as record
from .case import unpack as unpack
from .search import Result as Result
from .search import Tuner as Tuner
from .search import compare as compare

_tuning.automate = automatic
