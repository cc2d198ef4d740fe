"""KeyDNN's command: train an example, or convert a Keras model to a checkpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import ops
from ...errors import ClnnError
from ...tensor import tensor
from . import activations, datasets, layers
from .checkpoint import write
from .device import Device
from .keras import from_keras
from .models import Sequential
from .optimizers import SGD
from .tensor import adopted
from .utils import seed

_EPILOG = "KeyDNN's cpu is clnn's default device: CLNN_DEVICE or clnn.set_default_device say which."


def parser() -> argparse.ArgumentParser:
    """The commands and their options, with KeyDNN's names and defaults."""
    top = argparse.ArgumentParser(prog="python -m clnn.compat.keydnn", epilog=_EPILOG)
    commands = top.add_subparsers(dest="command", required=True)
    test = commands.add_parser("test", help="train an example", epilog=_EPILOG)
    which = test.add_mutually_exclusive_group(required=True)
    which.add_argument("--train_mnist_example", action="store_true", help="two layers on MNIST")
    which.add_argument("--train_cifar_example", action="store_true", help="convolutions on CIFAR")
    test.add_argument("--root", default="~/.cache/keydnn", help="folder of the data sets")
    test.add_argument("--device", default="cpu", help="cpu or cuda:<n>")
    for name, default in (("epochs", 3), ("batch-size", 128)):
        test.add_argument(f"--{name}", type=int, default=default)
    test.add_argument("--lr", type=float, default=0.1)
    test.add_argument("--seed", type=int, default=0)
    test.add_argument("--no-shuffle", action="store_true")
    for name in ("limit-train", "limit-test"):
        test.add_argument(f"--{name}", type=int, default=0, help="samples to use, 0: all")
    test.add_argument("--verbose", type=int, default=1)
    test.add_argument("--hidden-dim", type=int, default=256, help="of the MNIST example")
    test.add_argument("--normalize", action="store_true", help="subtract CIFAR's mean")
    test.set_defaults(run=_test)
    convert = commands.add_parser("convert", help="a Keras model to a checkpoint", epilog=_EPILOG)
    convert.add_argument("--src", required=True, help="a .keras or .h5 file")
    convert.add_argument("--dst", required=True, help="a .json file")
    convert.add_argument("--device", default="cpu", help="cpu or cuda:<n>")
    convert.add_argument("--dtype", default="float32", choices=["float32"])
    convert.add_argument("--strict", action=argparse.BooleanOptionalAction, default=True)
    convert.add_argument("--allow-non-linear-activation", action="store_true")
    convert.add_argument("--config-only", action="store_true", help="without the weights")
    convert.set_defaults(run=_convert)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 1 after an error, which is printed, or 2 for wrong arguments."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (ClnnError, OSError) as error:
        print(f"clnn.compat.keydnn {args.command}: {error}", file=sys.stderr)
        return 1


# --- examples -----------------------------------------------------------------------------------


def _test(args: argparse.Namespace) -> int:
    seed(args.seed)
    device = Device(args.device)
    root = Path(args.root).expanduser()
    load: Any = datasets.load_mnist if args.train_mnist_example else datasets.load_cifar10
    model = _mlp(args.hidden_dim) if args.train_mnist_example else _convolutions()
    normalize = args.normalize or args.train_mnist_example
    parts = [
        _arrays(load(train=train, root_path=root, normalize=normalize), limit, device)
        for train, limit in ((True, args.limit_train), (False, args.limit_test))
    ]
    (x, y), test = parts
    model.build((1, *x.shape[1:]), device=device)
    model.to(device)
    found = model.fit(
        x, y, loss="cce", optimizer=SGD(model.parameters(), lr=args.lr), metrics=["acc"],
        batch_size=args.batch_size, epochs=args.epochs, shuffle=not args.no_shuffle,
        verbose=args.verbose, validation_data=test,
    )  # fmt: skip
    print(f"test accuracy {found.last('val_acc'):.4f} on {model[-2].device}")
    return 0


def _arrays(data: Any, limit: int, device: Any) -> tuple[Any, Any]:
    """Images and one-hot labels of the first `limit` items."""
    count = min(limit or len(data), len(data))
    images = np.stack([data[k][0] for k in range(count)])
    labels = tensor(np.asarray(data.labels[:count], np.int64), device=device)
    hot = ops.cast(ops.one_hot(labels, 10), "float32")
    return adopted(tensor(images, device=device)), adopted(hot)


def _mlp(width: int) -> Sequential:
    return Sequential(layers.Flatten(), layers.Dense(width), activations.ReLU(), layers.Dense(10),
                      activations.Softmax())  # fmt: skip


def _convolutions() -> Sequential:
    found = Sequential()
    for before, after in ((3, 32), (32, 64)):
        found.add(layers.Conv2d(before, after, 3, padding=1))
        found.add(activations.ReLU())
        found.add(layers.MaxPool2d(2))
    for layer in (layers.Flatten(), layers.Dense(10), activations.Softmax()):
        found.add(layer)
    return found


# --- conversion ---------------------------------------------------------------------------------


def _convert(args: argparse.Namespace) -> int:
    if not args.dst.lower().endswith(".json"):
        parser().error(f"--dst: expected a .json file, got {args.dst}")
    model = from_keras(
        args.src, device=args.device, dtype=args.dtype, strict=args.strict,
        allow_non_linear_activation=args.allow_non_linear_activation,
    )  # fmt: skip
    if args.config_only:
        modules = [{"type": type(m).__name__, "config": m.get_config()} for m in model]
        write(args.dst, {"format": "keydnn.model.v1", "modules": modules})
    else:
        model.save_json(args.dst)
    print(f"{args.src} is {args.dst}")
    return 0
