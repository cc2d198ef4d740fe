"""Where clnn means to differ from torch: each difference once, with its reason."""

from __future__ import annotations

from typing import Any

from fuzz.draw import FLOATS  # noqa: F401

NUMBERS_OF_ITS_OWN = {"rand_like", "randn_like", "dropout", "dropout1d", "dropout2d", "empty_like"}


def by_torch(case: Any) -> bool:
    """Calls that torch is not asked about."""
    return False


def wider(case: Any, error: BaseException) -> bool:
    """What clnn takes and torch refuses."""
    text = str(error)
    if "not implemented for" in text or isinstance(error, NotImplementedError):
        return True  # a dtype that torch has no kernel for on CPUs
    if isinstance(error, TypeError) and "another value" in case.spoiled:
        return True  # flags are truth values here, and whole floats are numbers
    return False


def narrower(case: Any, error: BaseException) -> bool:
    """What clnn refuses and torch takes."""
    return False


def late(case: Any) -> bool:
    """Errors that may come after a primitive has run."""
    return False


def no_gradient(case: Any, ours: Any, theirs: Any) -> bool:
    """Where one side has a gradient and the other none."""
    return False


def gradient(case: Any, theirs: Any) -> bool:
    """Where gradients are not compared with torch's."""
    return False


def slack(case: Any) -> float:
    """How much farther than the tolerance torch may be."""
    return 8.0 if any(k in repr(case.sample) for k in ("float16", "bfloat16")) else 1.0
