"""Files: models, optimizer state and nested dicts of tensors, as safetensors."""

from .file import load as load
from .file import load_metadata as load_metadata
from .file import load_model as load_model
from .file import save as save
