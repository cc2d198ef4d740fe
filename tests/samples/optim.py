"""The optim family changes its operands in place: tests/optim checks it against torch.optim."""

from typing import Any

SAMPLES: list[Any] = []
ERRORS: list[Any] = []
