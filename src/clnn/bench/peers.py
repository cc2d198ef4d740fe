"""Who is measured: clnn on a device, and the libraries beside it that are installed.

Peers are imported by name only here, when a benchmark asks for them: clnn itself needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

import clnn

from .. import nn, optim
from ..device import Device, synchronize
from ..errors import SettingError
from .case import Case, Job, Lib, Thunk
from .networks import Network, inference, step
from .opencl_peers import CLBlast, NetCL, Tinygrad
from .replay import Replay


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
        self.beside = device
        self.device = "cuda" if _nvidia(device) and self.torch.cuda.is_available() else "cpu"
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
        """Every case; networks as they are traced on clnn's device."""
        operands = [self._place(a) for a in case.operands()]
        if case.network is None:
            return self._job(case.build(self.lib, *operands))
        return self._job(self._network(case.network, *operands))

    def _job(self, run: Thunk) -> Job:
        return Job(run, self.wait, lambda y: np.asarray(y.detach().cpu().numpy()))

    def _network(self, network: Network, x: Any, *, fused: bool = False) -> Thunk:
        graph = network.graph(self.beside, fused=fused)
        model = Replay(graph, self.torch, self.device)
        if network.training:
            return step(self.lib, model, model.parameters, x, self._place(network.labels()))
        return inference(model, x, self.torch.inference_mode)


class FoldedTorch(Torch):
    """PyTorch for inference on the network that `nn.fuse` gives: norms folded by hand, as few users do."""

    name = "torch, folded"

    def job(self, case: Case) -> Job | None:
        """Networks for inference."""
        if case.network is None or case.network.training:
            return None
        x = self._place(case.operands()[0])
        return self._job(self._network(case.network, x, fused=True))


class OnnxRuntime:
    """ONNX Runtime with all its graph optimizations, on the network that `nn.fuse` gives."""

    name = "onnxruntime"

    def __init__(self, device: Device, threads: int) -> None:
        self.ort: Any = import_module("onnxruntime")
        self.version = str(self.ort.__version__)
        self.beside = device
        self.options = self.ort.SessionOptions()
        self.options.intra_op_num_threads = threads
        cuda = _nvidia(device) and "CUDAExecutionProvider" in self.ort.get_available_providers()
        self.providers = [*["CUDAExecutionProvider"] * cuda, "CPUExecutionProvider"]

    def job(self, case: Case) -> Job | None:
        """Networks for inference."""
        if case.network is None or case.network.training or find_spec("onnx") is None:
            return None
        from .onnx_graph import model_bytes

        model = model_bytes(case.network.graph(self.beside, fused=True), case.network.shape)
        session = self.ort.InferenceSession(model, self.options, providers=self.providers)
        inputs = {session.get_inputs()[0].name: case.operands()[0]}
        return Job(lambda: session.run(None, inputs), _nothing, np.asarray)


PEERS: dict[str, Callable[[Device, int], Peer]] = {
    "numpy": NumPy, "torch": Torch, "torch, folded": FoldedTorch, "onnxruntime": OnnxRuntime,
    "tinygrad": Tinygrad, "netcl": NetCL, "pyclblast": CLBlast,
}  # fmt: skip


def find(names: Iterable[str] | None, device: Device, threads: int) -> list[Peer]:
    """The peers of these libraries, or of all that are installed; raises SettingError for others."""
    libraries = {name.partition(",")[0] for name in PEERS}
    asked = libraries if names is None else set(names)
    for name in sorted(asked - libraries):
        known = ", ".join(sorted(libraries))
        raise SettingError(f"bench: expected peers among {known}, got {name!r}")
    there = {name for name in asked if find_spec(name) is not None}
    if names is not None and there != asked:
        missing = ", ".join(sorted(asked - there))
        raise SettingError(f"bench: expected installed peers, got {missing}; pip install it")
    return [make(device, threads) for name, make in PEERS.items() if name.partition(",")[0] in there]  # fmt: skip


def _nvidia(device: Device) -> bool:
    info = device.info
    return info is not None and info.kind == "gpu" and "nvidia" in info.platform.lower()


def _nothing() -> None:
    """What waits for a library that returns when it is done."""
