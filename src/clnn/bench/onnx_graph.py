"""A traced network for inference as an ONNX model."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import UnsupportedOpError
from ..shapes import Shape
from .trace import Graph, Step

OPSET, IR = 17, 8  # old enough for every runtime of the last years


def model_bytes(graph: Graph, shape: Shape) -> bytes:
    """The serialized model: input "x" of `shape`, output "y". Raises UnsupportedOpError for other ops."""
    return _Writer(graph, shape).model.SerializeToString()


class _Writer:
    def __init__(self, graph: Graph, shape: Shape) -> None:
        onnx: Any = import_module("onnx")
        self.helper = onnx.helper
        self.nodes: list[Any] = []
        from_array: Callable[..., Any] = onnx.numpy_helper.from_array
        self.from_array = from_array
        self.constants = [from_array(a, self.name(n)) for n, a in graph.constants.items()]
        self.shapes = {graph.input: shape}
        for step in graph.steps:
            write = getattr(self, f"_{step.name}", None)
            if write is None:
                raise UnsupportedOpError(f"bench: expected ops that ONNX has, got {step.name}")
            write(step)
            self.shapes.update(zip(step.outputs, step.shapes, strict=True))
        values = [
            self.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims)
            for name, dims in (
                (self.name(graph.input), shape),
                (self.name(graph.output), graph.steps[-1].shapes[0]),
            )
        ]
        made = self.helper.make_graph(self.nodes, "clnn", values[:1], values[1:], self.constants)
        opset = [self.helper.make_opsetid("", OPSET)]
        self.model = self.helper.make_model(made, opset_imports=opset, ir_version=IR)

    @staticmethod
    def name(number: int) -> str:
        return f"v{number}"

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.helper.make_node(op, inputs, [output], **attributes))
        return output

    def _constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.from_array(np.asarray(array), name))
        return name

    def _ended(self, step: Step, op: str, inputs: list[str], **attributes: Any) -> None:
        """A node, and after it what the step's epilogue holds."""
        out, activation = self.name(step.outputs[0]), step.settings.get("activation")
        added = [inputs.pop()] if step.settings.get("residual") else []
        chain: list[tuple[str, list[str], dict[str, Any]]] = [(op, inputs, attributes)]
        if added:
            chain.append(("Add", added, {}))
        if activation is not None:
            chain.append((activation, [], {}))
        before: list[str] = []
        for k, (kind, more, settings) in enumerate(chain):
            to = out if k == len(chain) - 1 else f"{out}_{k}"
            if kind == "relu6":
                limits = [self._constant(np.float32(v)) for v in (0, 6)]
                before = [self._add("Clip", [*before, *limits], to)]
            else:
                before = [self._add({"relu": "Relu"}.get(kind, kind), [*before, *more], to, **settings)]  # fmt: skip

    def _inputs(self, step: Step) -> list[str]:
        return [self.name(n) for n in step.inputs]

    def _conv2d(self, step: Step) -> None:
        s = step.settings
        (top, bottom), (left, right) = s["padding"]
        self._ended(step, "Conv", self._inputs(step), strides=list(s["stride"]), group=s["groups"],
                    dilations=list(s["dilation"]), pads=[top, left, bottom, right])  # fmt: skip

    def _linear(self, step: Step) -> None:
        self._ended(step, "Gemm", self._inputs(step), transB=1)

    def _max_pool2d(self, step: Step) -> None:
        s = step.settings
        self._add("MaxPool", self._inputs(step), self.name(step.outputs[0]), kernel_shape=list(s["kernel_size"]),
                  strides=list(s["stride"]), pads=[*s["padding"], *s["padding"]], dilations=list(s["dilation"]),
                  ceil_mode=int(s["ceil_mode"]))  # fmt: skip

    def _adaptive_avg_pool2d(self, step: Step) -> None:
        whole, parts = self.shapes[step.inputs[0]][2:], step.settings["output_size"]
        if any(n % p for n, p in zip(whole, parts, strict=True)):
            raise UnsupportedOpError(
                f"bench: expected ops that ONNX has, got {step.name} of {whole} to {parts}"
            )
        size = [n // p for n, p in zip(whole, parts, strict=True)]
        out = self.name(step.outputs[0])
        self._add("AveragePool", self._inputs(step), out, kernel_shape=size, strides=size)

    def _mean(self, step: Step) -> None:
        s = step.settings
        self._add("ReduceMean", self._inputs(step), self.name(step.outputs[0]), axes=list(s["axes"]),
                  keepdims=int(s["keepdim"]))  # fmt: skip

    def _reshape(self, step: Step) -> None:
        shape = self._constant(np.array(step.settings["shape"], np.int64))
        self._add("Reshape", [*self._inputs(step), shape], self.name(step.outputs[0]))

    def _relu(self, step: Step) -> None:
        self._add("Relu", self._inputs(step), self.name(step.outputs[0]))
