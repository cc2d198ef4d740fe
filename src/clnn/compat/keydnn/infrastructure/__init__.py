"""What scripts import from KeyDNN's inner packages."""

from ..callbacks import Callback as Callback
from ..callbacks import CallbackList as CallbackList
from ..checkpoint import module_from_config as module_from_config
from ..checkpoint import module_to_config as module_to_config
from ..context import Context as Context
from ..datasets import CIFAR10 as CIFAR10
from ..datasets import CIFAR100 as CIFAR100
from ..datasets import MNIST as MNIST
from ..initializers import WeightInitializer as WeightInitializer
from ..models import History as History
from ..models import Model as Model
from ..models import Sequential as Sequential
from ..module import Module as Module
from ..module import register_module as register_module
from ..recurrent import GRU as GRU
from ..recurrent import LSTM as LSTM
from ..recurrent import RNN as RNN
from ..recurrent import Bidirectional as Bidirectional
from ..recurrent import GRUCell as GRUCell
from ..recurrent import LSTMCell as LSTMCell
from ..recurrent import RNNCell as RNNCell
from ..tensor import Parameter as Parameter
from ..tensor import Tensor as Tensor
