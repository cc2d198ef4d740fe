"""Training loops with Keras' names: Model, its History and its callbacks."""

from .callback import Callback as Callback
from .callback import CallbackList as CallbackList
from .callbacks import CSVLogger as CSVLogger
from .callbacks import LearningRateScheduler as LearningRateScheduler
from .callbacks import TerminateOnNaN as TerminateOnNaN
from .history import History as History
from .history import Logs as Logs
from .losses import LOSSES as LOSSES
from .model import OPTIMIZERS as OPTIMIZERS
from .model import Model as Model
from .monitor import EarlyStopping as EarlyStopping
from .monitor import ModelCheckpoint as ModelCheckpoint
from .plot import plot_history as plot_history
from .progress import Progress as Progress
