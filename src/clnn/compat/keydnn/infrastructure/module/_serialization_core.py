"""Modules as dicts, and the classes that these may name."""

from ...checkpoint import module_from_config as module_from_config
from ...checkpoint import module_to_config as module_to_config
from ...module import register_module as register_module
