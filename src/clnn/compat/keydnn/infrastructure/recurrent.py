"""Recurrent layers and their cells."""

from ..recurrent import GRU as GRU
from ..recurrent import LSTM as LSTM
from ..recurrent import RNN as RNN
from ..recurrent import Bidirectional as Bidirectional
from ..recurrent import GRUCell as GRUCell
from ..recurrent import LSTMCell as LSTMCell
from ..recurrent import RNNCell as RNNCell
