"""Training loops with Keras' names: Model, its History and its callbacks."""

from .callback import Callback as Callback
from .callback import CallbackList as CallbackList
from .history import History as History
from .history import Logs as Logs
from .losses import LOSSES as LOSSES
from .model import OPTIMIZERS as OPTIMIZERS
from .model import Model as Model
from .progress import Progress as Progress
