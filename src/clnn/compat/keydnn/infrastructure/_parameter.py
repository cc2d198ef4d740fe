"""Parameter."""

from ..tensor import Parameter as Parameter
