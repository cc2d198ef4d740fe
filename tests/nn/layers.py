"""Every layer there is, as a call and its operands; the tests of layers run over this table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clnn import nn
from samples import T

try:
    import torch
except ImportError:
    torch = None


@dataclass(frozen=True)
class Layer:
    """`nn.<name>(*args, **kwargs)` called on operands; torch's module of that name unless given."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    operands: tuple[T, ...]
    oracle: Callable[[], Any] | None

    def make(self) -> nn.Module:
        return getattr(nn, self.name)(*self.args, **self.kwargs)

    def make_torch(self) -> Any:
        if self.oracle is not None:
            return self.oracle()
        return getattr(torch.nn, self.name)(*self.args, **self.kwargs)

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(3)
        return [t.make(rng) for t in self.operands]

    def __str__(self) -> str:
        values = [str(a) for a in self.args] + [f"{k}={v}" for k, v in self.kwargs.items()]
        return f"{self.name}({','.join(values)})".replace(" ", "")


def layer(name, *args, x=T(2, 3), oracle=None, **kwargs):  # noqa: B008
    operands = x if isinstance(x, tuple) else (x,)
    return Layer(name, args, kwargs, operands, oracle)


def computed(forward):
    """A maker of torch modules without parameters, for layers that torch has as functions only."""
    return lambda: type("Computed", (torch.nn.Module,), {"forward": lambda self, *x: forward(*x)})()


IMAGE = T(2, 4, 7, 6)
SIGNAL = T(2, 4, 9)
PROBABILITY = T(4, 3, low=0.05, high=0.95)
CLASSES = T(4, values=[0, 2, 1, 2], dtype="int64")
SIGNS = T(4, values=[1.0, -1.0, -1.0, 1.0], grad=False)

LINEAR = [
    layer("Linear", 3, 5),
    layer("Linear", 3, 5, bias=False, x=T(2, 4, 3)),
    layer("Dense", 5, oracle=lambda: torch.nn.Linear(3, 5)),
    layer("Dense", 5, bias=False, x=T(2, 4, 3), oracle=lambda: torch.nn.Linear(3, 5, bias=False)),
    layer("Embedding", 7, 3, x=T(2, 5, dtype="int64", low=0, high=7)),
    layer("Embedding", 7, 3, padding_idx=2, x=T(2, 5, dtype="int64", low=0, high=7)),
]

CONV = [
    layer("Conv1d", 4, 6, 3, x=SIGNAL),
    layer("Conv1d", 4, 6, 3, 2, 1, 2, 2, x=SIGNAL),
    layer("Conv2d", 4, 6, 3, x=IMAGE),
    layer("Conv2d", 4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False, x=IMAGE),
    layer("Conv2d", 4, 8, 3, padding="same", dilation=2, groups=4, x=IMAGE),
    layer("Conv2d", 4, 2, 3, padding="valid", x=IMAGE),
    layer("Conv2d", 4, 2, 3, padding=(2, 1), padding_mode="reflect", x=IMAGE),
    layer("Conv2d", 4, 2, 3, padding=1, stride=2, padding_mode="replicate", x=IMAGE),
    layer("Conv2d", 4, 2, (2, 3), padding="same", padding_mode="circular", x=IMAGE),
    layer("ConvTranspose1d", 4, 6, 3, stride=2, padding=1, output_padding=1, x=SIGNAL),
    layer("ConvTranspose2d", 4, 6, 3, x=IMAGE),
    layer("ConvTranspose2d", 4, 6, (3, 2), 2, (1, 0), 1, 2, False, x=IMAGE),
]

POOL = [
    layer("MaxPool1d", 3, x=SIGNAL),
    layer("MaxPool2d", 2, x=IMAGE),
    layer("MaxPool2d", (3, 2), stride=2, padding=(1, 0), ceil_mode=True, x=IMAGE),
    layer("MaxPool2d", 2, return_indices=True, x=IMAGE),
    layer("AvgPool1d", 3, 2, 1, x=SIGNAL),
    layer("AvgPool2d", 2, x=IMAGE),
    layer("AvgPool2d", 3, 2, 1, count_include_pad=False, x=IMAGE),
    layer("AvgPool2d", 3, divisor_override=2, x=IMAGE),
    layer("AdaptiveAvgPool1d", 4, x=SIGNAL),
    layer("AdaptiveAvgPool2d", (3, None), x=IMAGE),
    layer("AdaptiveMaxPool1d", 4, x=SIGNAL),
    layer("AdaptiveMaxPool2d", 3, x=IMAGE),
    layer("AdaptiveMaxPool2d", 3, return_indices=True, x=IMAGE),
    layer("GlobalAvgPool2d", x=IMAGE, oracle=lambda: torch.nn.AdaptiveAvgPool2d(1)),
]

NORM = [
    layer("BatchNorm1d", 3, x=T(5, 3)),
    layer("BatchNorm1d", 4, momentum=None, x=SIGNAL),
    layer("BatchNorm2d", 4, x=IMAGE),
    layer("BatchNorm2d", 4, eps=1e-3, momentum=0.3, affine=False, x=IMAGE),
    layer("BatchNorm2d", 4, track_running_stats=False, x=IMAGE),
    layer("InstanceNorm1d", 4, x=SIGNAL),
    layer("InstanceNorm2d", 4, affine=True, track_running_stats=True, x=IMAGE),
    layer("LayerNorm", 3, x=T(2, 5, 3)),
    layer("LayerNorm", (7, 6), bias=False, x=IMAGE),
    layer("LayerNorm", 3, elementwise_affine=False, x=T(2, 5, 3)),
    layer("GroupNorm", 2, 4, x=IMAGE),
    layer("RMSNorm", 3, x=T(2, 5, 3)),
    layer("RMSNorm", (7, 6), eps=1e-3, elementwise_affine=False, x=IMAGE),
    layer("LocalResponseNorm", 3, alpha=0.1, x=IMAGE),
]

ACTIVATION = [
    *(
        layer(name)
        for name in (
            *("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Softsign"),
            *("LogSigmoid", "Hardswish", "Hardsigmoid", "Tanhshrink", "LeakyReLU", "PReLU"),
            *("ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink", "Softshrink"),
        )
    ),
    layer("LeakyReLU", 0.2),
    layer("PReLU", 4, 0.1, x=IMAGE),
    layer("ELU", 0.5),
    layer("CELU", 0.5),
    layer("GELU", "tanh"),
    layer("Softplus", 2.0, 1.0),
    layer("Hardtanh", -0.3, 0.4),
    layer("Hardshrink", 0.7),
    layer("Softshrink", 0.2),
    layer("Threshold", 0.1, 20.0),
    layer("GLU", x=T(3, 4)),
    layer("GLU", 1, x=IMAGE),
    layer("Softmax", dim=1),
    layer("LogSoftmax", dim=-1),
    layer("Softmin", dim=0),
]

OTHER = [
    layer("Dropout", 0.0),
    layer("Dropout1d", 0.0, x=SIGNAL),
    layer("Dropout2d", 0.0, x=IMAGE),
    layer("Identity", 3, what="ever", oracle=lambda: torch.nn.Identity()),
    layer("Flatten", x=IMAGE),
    layer("Flatten", 0, 1, x=IMAGE),
    layer("Unflatten", 1, (2, 2), x=IMAGE),
    layer("Upsample", scale_factor=2, x=IMAGE),
    layer("Upsample", size=(5, 9), mode="bilinear", align_corners=True, x=IMAGE),
    layer("PixelShuffle", 2, x=IMAGE),
    layer("PixelUnshuffle", 2, x=T(1, 2, 4, 6)),
    layer("Permute", (0, 2, 3, 1), x=IMAGE, oracle=computed(lambda x: x.permute(0, 2, 3, 1))),
    layer("Rescale", 0.5, -1.0, oracle=computed(lambda x: 0.5 * x - 1)),
    layer("ZeroPad1d", (2, 1), x=SIGNAL),
    layer("SamePad", (3,), 2, 2, -1.0, x=SIGNAL, oracle=lambda: torch.nn.ConstantPad1d(2, -1.0)),
    layer("SamePad", (2, 3), (1, 2), x=IMAGE, oracle=lambda: torch.nn.ZeroPad2d((0, 1, 0, 1))),
    layer("SamePad", (1, 2), (3, 2), x=IMAGE, oracle=lambda: torch.nn.Identity()),
    layer(
        "SameAvgPool",
        (3, 3),
        2,
        x=IMAGE,
        oracle=lambda: torch.nn.AvgPool2d(3, 2, (1, 0), True, False),
    ),
    layer(
        "SameAvgPool",
        (3,),
        1,
        x=SIGNAL,
        oracle=lambda: torch.nn.AvgPool2d((1, 3), 1, (0, 1), False, False),
    ),
    layer("Merge", "sub", x=(T(2, 3), T(2, 3), T(3)), oracle=computed(lambda a, b, c: a - b - c)),
    layer("Merge", "mul", x=(T(2, 3), T(2, 1)), oracle=computed(lambda a, b: a * b)),
    layer(
        "Merge", "maximum", x=(T(2, 3), T(2, 3)), oracle=computed(lambda a, b: torch.maximum(a, b))
    ),
    layer(
        "Merge", "minimum", x=(T(2, 3), T(2, 3)), oracle=computed(lambda a, b: torch.minimum(a, b))
    ),
    layer("Merge", "mean", x=(T(2, 3), T(2, 3), T(2, 3)), oracle=computed(lambda *x: sum(x) / 3)),
    layer("Merge", "cat", 2, x=(IMAGE, T(2, 4, 1, 6)), oracle=computed(lambda *x: torch.cat(x, 2))),
    layer("ZeroPad2d", 1, x=IMAGE),
    layer("ZeroPad2d", (1, 0, 2, 1), x=IMAGE),
]

LOSS = [
    layer("MSELoss", x=(T(4, 3), T(4, 3))),
    layer("MSELoss", reduction="none", x=(T(4, 3), T(4, 3))),
    layer("L1Loss", reduction="sum", x=(T(4, 3), T(4, 3))),
    layer("SmoothL1Loss", beta=0.5, x=(T(4, 3), T(4, 3))),
    layer("HuberLoss", delta=0.5, x=(T(4, 3), T(4, 3))),
    layer("CrossEntropyLoss", x=(T(4, 3), CLASSES)),
    layer("CrossEntropyLoss", ignore_index=2, label_smoothing=0.1, x=(T(4, 3), CLASSES)),
    layer("NLLLoss", reduction="sum", x=(T(4, 3), CLASSES)),
    layer("BCELoss", x=(PROBABILITY, T(4, 3, low=0, high=1, grad=False))),
    layer("BCEWithLogitsLoss", x=(T(4, 3), T(4, 3, low=0, high=1, grad=False))),
    layer("KLDivLoss", reduction="batchmean", x=(T(4, 3), T(4, 3, low=0.1, high=1))),
    layer("CosineEmbeddingLoss", 0.1, x=(T(4, 3), T(4, 3), SIGNS)),
    layer("MarginRankingLoss", 0.2, x=(T(4), T(4), SIGNS)),
    layer("TripletMarginLoss", 0.5, x=(T(4, 3), T(4, 3), T(4, 3))),
]

STEPS = T(5, 3, 4)
RECURRENT = [
    *[layer(name, 4, 6, x=STEPS) for name in ("RNN", "LSTM", "GRU")],
    layer("LSTM", 4, 6, 2, batch_first=True, bidirectional=True, x=STEPS),
    layer("RNN", 4, 6, 1, "relu", False, x=STEPS),
    *[layer(f"{name}Cell", 4, 6, x=T(3, 4)) for name in ("RNN", "LSTM", "GRU")],
]
# its parts have names of their own: see test_rnn
BIDIRECTIONAL = [layer("Bidirectional", nn.GRU(4, 6), "sum", x=STEPS)]

LAYERS = [*LINEAR, *CONV, *POOL, *NORM, *ACTIVATION, *OTHER, *LOSS, *RECURRENT]
