"""Optimizers, learning-rate schedules and gradient clipping, as in torch.optim."""

from ..ops.optim import clip_grad_norm_ as clip_grad_norm_
from ..ops.optim import clip_grad_value_ as clip_grad_value_
from .methods import SGD as SGD
from .methods import Adam as Adam
from .methods import AdamW as AdamW
from .methods import RMSprop as RMSprop
from .optimizer import Optimizer as Optimizer
from .schedulers import CosineAnnealingLR as CosineAnnealingLR
from .schedulers import ExponentialLR as ExponentialLR
from .schedulers import LambdaLR as LambdaLR
from .schedulers import LRScheduler as LRScheduler
from .schedulers import MultiStepLR as MultiStepLR
from .schedulers import OneCycleLR as OneCycleLR
from .schedulers import ReduceLROnPlateau as ReduceLROnPlateau
from .schedulers import StepLR as StepLR
