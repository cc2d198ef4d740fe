"""Model, Sequential and History."""

from ..models import History as History
from ..models import Model as Model
from ..models import Sequential as Sequential
