"""Metrics: what to watch while training; sums stay on the device until a number is asked for."""

from .classification import Accuracy as Accuracy
from .classification import TopKAccuracy as TopKAccuracy
from .counts import F1Score as F1Score
from .counts import Precision as Precision
from .counts import Recall as Recall
from .metric import Mean as Mean
from .metric import Metric as Metric
from .names import METRICS as METRICS
from .names import get as get
from .regression import MAE as MAE
from .regression import MSE as MSE
from .regression import RMSE as RMSE
from .regression import MeanAbsoluteError as MeanAbsoluteError
from .regression import MeanSquaredError as MeanSquaredError
from .regression import R2Score as R2Score
from .regression import RootMeanSquaredError as RootMeanSquaredError
