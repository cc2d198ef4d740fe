"""Where a device's time goes: every launch inside of a block, and a table of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from .backends import Launch
from .device import Device, default_device
from .device import device as as_device


class Profile:
    """What ran in a block of `profile`: `launches` in order, `seconds` from its start to its end.

    print(profile) shows a table of kernels, the slowest first.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.launches: Sequence[Launch] = ()
        self.seconds = 0.0

    def totals(self) -> dict[str, tuple[int, float]]:
        """Per kernel how often it ran and its seconds in all, the slowest first."""
        found: dict[str, tuple[int, float]] = {}
        for name, seconds in self.launches:
            count, total = found.get(name, (0, 0.0))
            found[name] = (count + 1, total + seconds)
        return dict(sorted(found.items(), key=lambda item: -item[1][1]))

    def __str__(self) -> str:
        busy = sum(seconds for _, seconds in self.launches)
        lines = [f"{'ms':>10} {'%':>5} {'launches':>9}  kernel on {self.device}"]
        for name, (count, seconds) in self.totals().items():
            lines.append(
                f"{seconds * 1e3:10.3f} {100 * seconds / busy:5.1f} {count:9d}  {name[:80]}"
            )
        lines.append(f"{busy * 1e3:10.3f} {'':5} {len(self.launches):9d}  "
                     f"in all, of {self.seconds * 1e3:.3f} ms from start to end")  # fmt: skip
        return "\n".join(lines)


@contextmanager
def profile(device: str | Device | None = None) -> Iterator[Profile]:
    """Record what `device` (the default device) runs inside of the block, timed by its own clock.

    On the reference backend ops take the place of kernels. The device is idle when the block begins
    and when it ends; work of other threads on it is recorded too.
    """
    chosen = default_device() if device is None else as_device(device)
    found = Profile(chosen)
    with chosen.backend.profiling() as launches:
        start = perf_counter()
        yield found
        chosen.backend.synchronize()
        found.seconds = perf_counter() - start
    found.launches = launches
