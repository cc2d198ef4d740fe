"""Who is measured: clnn on a device, and the libraries beside it that are installed.

Peers are imported by name only here, when a benchmark asks for them: clnn itself needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

import clnn

from .. import nn, optim
from ..device import Device, synchronize
from ..errors import SettingError
from .case import Case, Job, Lib


class Peer(Protocol):
    """A library that runs cases."""

    name: str
    version: str

    def job(self, case: Case) -> Job | None:
        """The case made ready, its operands in place; None where the library has no such call."""


class Clnn:
    """This library, on one device."""

    name = "clnn"
    version = clnn.__version__

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lib = Lib(clnn, nn.functional, nn, optim, self._place, device)

    def _place(self, array: Any) -> Any:
        return clnn.tensor(array, device=self.device)

    def job(self, case: Case) -> Job | None:
        """Every case."""
        run = case.build(self.lib, *map(self._place, case.operands()))
        return Job(run, lambda: synchronize(self.device), lambda y: np.asarray(y.numpy()))


class NumPy:
    """NumPy, with whatever BLAS it was built with."""

    name = "numpy"
    version = np.__version__

    def __init__(self, device: Device, threads: int) -> None:
        pass

    def job(self, case: Case) -> Job | None:
        """Cases that say how NumPy computes them."""
        call, operands = case.numpy, case.operands()
        if call is None:
            return None
        return Job(lambda: (call(*operands),), _nothing, np.asarray)


class Torch:
    """PyTorch, eager: on the CPU beside a CPU device, on its CUDA device beside an NVIDIA card."""

    name = "torch"

    def __init__(self, device: Device, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.version = str(self.torch.__version__)
        self.torch.set_num_threads(threads)
        info = device.info
        card = info is not None and info.kind == "gpu" and "nvidia" in info.platform.lower()
        self.device = "cuda" if card and self.torch.cuda.is_available() else "cpu"
        # float32 means float32 on both sides
        self.torch.backends.cuda.matmul.allow_tf32 = self.torch.backends.cudnn.allow_tf32 = False
        functional: Any = self.torch.nn.functional
        self.lib = Lib(
            self.torch, functional, self.torch.nn, self.torch.optim, self._place, self.device
        )
        self.wait: Callable[[], Any] = (
            self.torch.cuda.synchronize if self.device == "cuda" else _nothing
        )

    def _place(self, array: Any) -> Any:
        return self.torch.tensor(array, device=self.device)

    def job(self, case: Case) -> Job | None:
        """Every case."""
        run = case.build(self.lib, *map(self._place, case.operands()))
        return Job(run, self.wait, lambda y: np.asarray(y.detach().cpu().numpy()))


PEERS: dict[str, Callable[[Device, int], Peer]] = {"numpy": NumPy, "torch": Torch}


def find(names: Iterable[str] | None, device: Device, threads: int) -> list[Peer]:
    """The peers of these names, or all that are installed; raises SettingError for others."""
    asked = list(PEERS) if names is None else list(names)
    for name in asked:
        if name not in PEERS:
            raise SettingError(f"bench: expected peers among {', '.join(PEERS)}, got {name!r}")
        if names is not None and find_spec(name) is None:
            raise SettingError(f"bench: expected {name} to be installed, got no such package")
    return [PEERS[name](device, threads) for name in asked if find_spec(name) is not None]


def version_of(package: str) -> str:
    """The version of an installed package."""
    return metadata.version(package)


def _nothing() -> None:
    """What waits for a library that returns when it is done."""
