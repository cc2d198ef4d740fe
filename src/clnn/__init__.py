"""clnn: neural networks on any OpenCL device."""

__version__ = "0.1.0"

from .autograd import enable_grad as enable_grad
from .autograd import no_grad as no_grad
from .device import Device as Device
from .device import default_device as default_device
from .device import device as device
from .device import devices as devices
from .device import set_default_device as set_default_device
from .dtypes import bfloat16 as bfloat16
from .dtypes import bool_ as bool_
from .dtypes import float16 as float16
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import int32 as int32
from .dtypes import int64 as int64
from .dtypes import uint8 as uint8
from .ops import *  # noqa: F403  (the functional API: clnn.add, clnn.exp, ...)
from .tensor import Tensor as Tensor
from .tensor import tensor as tensor
