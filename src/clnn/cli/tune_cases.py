"""What `clnn tune` tunes unless told otherwise: sizes that many networks have."""

from __future__ import annotations

from collections.abc import Iterator

from ..op import OPS
from ..shapes import Spec
from ..tune import Case

_BATCH = 8
_SQUARES = (64, 128, 256, 512, 1024, 2048)
# rows, inputs, outputs: classifiers, and the layers of small and of base transformers
_LINEAR = (
    (1, 512, 1000),
    (8, 2048, 1000),
    (64, 784, 256),
    (128, 384, 1536),
    (512, 768, 768),
    (512, 3072, 768),
)
# input channels, height, output channels, kernel, stride, groups
_RESNET = (
    (3, 224, 64, 7, 2, 1),
    (64, 56, 64, 1, 1, 1),
    (64, 56, 64, 3, 1, 1),
    (64, 56, 256, 1, 1, 1),
    (64, 56, 128, 3, 2, 1),
    (128, 28, 128, 3, 1, 1),
    (128, 28, 512, 1, 1, 1),
    (256, 14, 256, 3, 1, 1),
    (1024, 14, 256, 1, 1, 1),
    (256, 56, 512, 1, 2, 1),
    (512, 7, 512, 3, 1, 1),
)
_MOBILENET = (
    (32, 112, 32, 3, 1, 32),
    (96, 112, 96, 3, 2, 96),
    (144, 56, 144, 3, 1, 144),
    (384, 14, 384, 3, 1, 384),
    (960, 7, 960, 3, 1, 960),
    (16, 112, 96, 1, 1, 1),
    (144, 56, 24, 1, 1, 1),
    (384, 14, 64, 1, 1, 1),
    (160, 7, 960, 1, 1, 1),
)


def cases() -> list[Case]:
    """Products first, then convolutions and both their gradients."""
    return [*_products(), *_convolutions()]


def _products() -> Iterator[Case]:
    plain = (("transpose_a", False), ("transpose_b", False))
    for n in _SQUARES:
        yield Case("matmul", (Spec((n, n)), Spec((n, n))), plain)
    for m, k, n in _LINEAR:
        yield Case("linear", (Spec((m, k)), Spec((n, k)), Spec((n,))))
        # the gradients by the operands
        yield Case("matmul", (Spec((m, n)), Spec((n, k))), plain)
        yield Case("matmul", (Spec((m, n)), Spec((m, k))), (("transpose_a", True), ("transpose_b", False)))  # fmt: skip


def _convolutions() -> Iterator[Case]:
    for c, size, o, kernel, stride, groups in (*_RESNET, *_MOBILENET):
        x, w, pad = Spec((_BATCH, c, size, size)), Spec((o, c // groups, kernel, kernel)), kernel // 2  # fmt: skip
        at = (
            ("stride", (stride, stride)),
            ("padding", ((pad, pad), (pad, pad))),
            ("dilation", (1, 1)),
            ("groups", groups),
        )
        y = OPS["conv2d"].infer(x, w, **dict(at))
        yield Case("conv2d", (x, w), at)
        if c > 3:  # nobody asks for the gradient of the picture itself
            yield Case("conv2d_input_grad", (y, w), (("size", x.shape[2:]), *at))
        yield Case("conv2d_weight_grad", (y, x), (("kernel", w.shape[2:]), *at))
