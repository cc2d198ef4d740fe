"""CLNN_TUNE=auto: a class of problems is tuned when it is met first."""

from __future__ import annotations

import threading
import warnings

from ..backends.opencl import OpenCL
from ..errors import ClnnError
from .case import Case, watch
from .search import Tuner

BUDGET = 1.0  # seconds that a class of problems may take


def automatic(backend: OpenCL) -> None:
    """Have `backend` tune every class of problems when it meets it first: what CLNN_TUNE=auto does."""
    tuner, lock, seen = Tuner(backend), threading.RLock(), set[Case]()

    def first_use(case: Case) -> None:
        if case not in seen:
            with lock:
                if case not in seen:
                    seen.add(case)
                    _first_use(tuner, case)

    watch(backend, first_use)


def _first_use(tuner: Tuner, case: Case) -> None:
    found = tuner.look(case)
    if found is None or (found.owner, found.group) in tuner.rt.tuning.known:
        return
    try:
        result = tuner.tune(case, BUDGET)
        if result is not None:
            tuner.learn([result])
    except (ClnnError, OSError) as error:
        warnings.warn(f"CLNN_TUNE=auto: {case} stays as it is: {error}", RuntimeWarning, stacklevel=2)  # fmt: skip
