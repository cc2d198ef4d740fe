"""Determinism: torch's switches, which have nothing to switch here."""

from __future__ import annotations

from .errors import DTypeError


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted, and without effect: every algorithm of clnn repeats its results bit for bit.

    No kernel adds floats atomically, and all sum in a fixed order, so the same call on the same device and driver gives
    the same bits; False would have nothing faster to allow. Other devices, other algorithms, which
    `clnn tune` may choose, and other releases round differently. Raises DTypeError for what is no bool.
    """
    for name, value in (("mode", mode), ("warn_only", warn_only)):
        if not isinstance(value, bool):
            raise DTypeError(
                f"use_deterministic_algorithms: expected {name} to be a bool, got {value!r}"
            )


def are_deterministic_algorithms_enabled() -> bool:
    """True, always: see `use_deterministic_algorithms`."""
    return True
