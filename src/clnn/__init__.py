"""clnn: neural networks on any OpenCL device."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

__version__ = "0.1.0"

from . import data as data
from . import io as io
from . import metrics as metrics
from . import models as models
from . import nn as nn
from . import optim as optim
from . import testing as testing
from . import training as training
from .autograd import enable_grad as enable_grad
from .autograd import is_grad_enabled as is_grad_enabled
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .backends.opencl.algorithms import algorithm as algorithm
from .determinism import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
)
from .determinism import use_deterministic_algorithms as use_deterministic_algorithms
from .device import Device as Device
from .device import default_device as default_device
from .device import device as device
from .device import devices as devices
from .device import empty_cache as empty_cache
from .device import memory_stats as memory_stats
from .device import set_default_device as set_default_device
from .device import synchronize as synchronize
from .draw import rand as rand
from .draw import randint as randint
from .draw import randint_like as randint_like
from .draw import randn as randn
from .draw import randperm as randperm
from .dtypes import DType as DType
from .dtypes import bfloat16 as bfloat16
from .dtypes import bool_ as bool  # noqa: F401 (torch's name)
from .dtypes import bool_ as bool_
from .dtypes import float16 as float16
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import int32 as int32
from .dtypes import int64 as int64
from .dtypes import uint8 as uint8
from .errors import AutogradError as AutogradError
from .errors import ClnnError as ClnnError
from .errors import DatasetError as DatasetError
from .errors import DeviceError as DeviceError
from .errors import DTypeError as DTypeError
from .errors import FileFormatError as FileFormatError
from .errors import IndexOutOfRangeError as IndexOutOfRangeError
from .errors import KernelBuildError as KernelBuildError
from .errors import NotDifferentiableError as NotDifferentiableError
from .errors import OutOfMemoryError as OutOfMemoryError
from .errors import SettingError as SettingError
from .errors import ShapeError as ShapeError
from .errors import UnsupportedOpError as UnsupportedOpError
from .io import load as load
from .io import save as save
from .ops import abs as abs
from .ops import adaptive_avg_pool1d as adaptive_avg_pool1d
from .ops import adaptive_max_pool1d as adaptive_max_pool1d
from .ops import add as add
from .ops import addmm as addmm
from .ops import all as all
from .ops import amax as amax
from .ops import amin as amin
from .ops import any as any
from .ops import argmax as argmax
from .ops import argmin as argmin
from .ops import avg_pool1d as avg_pool1d
from .ops import batch_norm as batch_norm
from .ops import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .ops import bmm as bmm
from .ops import broadcast_to as broadcast_to
from .ops import cat as cat
from .ops import ceil as ceil
from .ops import celu as celu
from .ops import chunk as chunk
from .ops import clamp as clamp
from .ops import clone as clone
from .ops import conv1d as conv1d
from .ops import conv2d as conv2d
from .ops import conv_transpose1d as conv_transpose1d
from .ops import conv_transpose2d as conv_transpose2d
from .ops import cos as cos
from .ops import cosine_embedding_loss as cosine_embedding_loss
from .ops import cosine_similarity as cosine_similarity
from .ops import cumsum as cumsum
from .ops import div as div
from .ops import dot as dot
from .ops import dropout as dropout
from .ops import einsum as einsum
from .ops import embedding as embedding
from .ops import empty_like as empty_like
from .ops import eq as eq
from .ops import erf as erf
from .ops import exp as exp
from .ops import expm1 as expm1
from .ops import flatten as flatten
from .ops import flip as flip
from .ops import floor as floor
from .ops import floor_divide as floor_divide
from .ops import full_like as full_like
from .ops import gather as gather
from .ops import ge as ge
from .ops import group_norm as group_norm
from .ops import gt as gt
from .ops import hardshrink as hardshrink
from .ops import index_add as index_add
from .ops import index_select as index_select
from .ops import instance_norm as instance_norm
from .ops import isfinite as isfinite
from .ops import isinf as isinf
from .ops import isnan as isnan
from .ops import kl_div as kl_div
from .ops import layer_norm as layer_norm
from .ops import le as le
from .ops import log as log
from .ops import log1p as log1p
from .ops import log2 as log2
from .ops import log10 as log10
from .ops import log_softmax as log_softmax
from .ops import logical_and as logical_and
from .ops import logical_not as logical_not
from .ops import logical_or as logical_or
from .ops import logical_xor as logical_xor
from .ops import logsumexp as logsumexp
from .ops import lt as lt
from .ops import margin_ranking_loss as margin_ranking_loss
from .ops import masked_fill as masked_fill
from .ops import masked_select as masked_select
from .ops import matmul as matmul
from .ops import max as max
from .ops import max_pool1d as max_pool1d
from .ops import max_pool2d as max_pool2d
from .ops import maximum as maximum
from .ops import mean as mean
from .ops import min as min
from .ops import minimum as minimum
from .ops import mm as mm
from .ops import movedim as movedim
from .ops import mul as mul
from .ops import narrow as narrow
from .ops import ne as ne
from .ops import neg as neg
from .ops import norm as norm
from .ops import ones_like as ones_like
from .ops import outer as outer
from .ops import pairwise_distance as pairwise_distance
from .ops import permute as permute
from .ops import pixel_shuffle as pixel_shuffle
from .ops import pixel_unshuffle as pixel_unshuffle
from .ops import pow as pow
from .ops import prelu as prelu
from .ops import prod as prod
from .ops import rand_like as rand_like
from .ops import randn_like as randn_like
from .ops import reciprocal as reciprocal
from .ops import relu as relu
from .ops import remainder as remainder
from .ops import reshape as reshape
from .ops import rms_norm as rms_norm
from .ops import roll as roll
from .ops import round as round
from .ops import rsqrt as rsqrt
from .ops import scatter as scatter
from .ops import scatter_add as scatter_add
from .ops import selu as selu
from .ops import sigmoid as sigmoid
from .ops import sign as sign
from .ops import sin as sin
from .ops import softmax as softmax
from .ops import split as split
from .ops import sqrt as sqrt
from .ops import square as square
from .ops import squeeze as squeeze
from .ops import stack as stack
from .ops import std as std
from .ops import std_mean as std_mean
from .ops import sub as sub
from .ops import sum as sum
from .ops import swapaxes as swapaxes
from .ops import t as t
from .ops import take_along_dim as take_along_dim
from .ops import tan as tan
from .ops import tanh as tanh
from .ops import threshold as threshold
from .ops import tile as tile
from .ops import transpose as transpose
from .ops import tril as tril
from .ops import triplet_margin_loss as triplet_margin_loss
from .ops import triu as triu
from .ops import unbind as unbind
from .ops import unsqueeze as unsqueeze
from .ops import var as var
from .ops import var_mean as var_mean
from .ops import where as where
from .ops import zeros_like as zeros_like
from .ops.random import Generator as Generator
from .ops.random import default_generator as default_generator
from .ops.random import initial_seed as initial_seed
from .ops.random import manual_seed as manual_seed
from .profiler import profile as profile
from .switches import TUNE as _TUNE
from .tensor import Tensor as Tensor
from .tensor import arange as arange
from .tensor import empty as empty
from .tensor import eye as eye
from .tensor import from_numpy as from_numpy
from .tensor import full as full
from .tensor import linspace as linspace
from .tensor import ones as ones
from .tensor import tensor as tensor
from .tensor import zeros as zeros
from .training import Model as Model

if _TUNE.text().lower() == "auto":
    from . import tune as tune  # it tells devices how to tune; nobody else needs to load it

if _TYPE_CHECKING:
    from .compat.keras import from_keras as from_keras


def __getattr__(name: str) -> _Any:
    """`from_keras`, which is loaded when it is asked for: few programs need it."""
    if name == "from_keras":
        from .compat.keras import from_keras

        return from_keras
    raise AttributeError(f"module 'clnn' has no attribute {name!r}")
