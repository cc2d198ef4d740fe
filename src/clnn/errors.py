"""Every exception clnn raises. Messages read "<op>: expected <this>, got <that>[; <what to do>]"."""


class ClnnError(Exception):
    """Base class; catching it catches everything clnn raises on purpose."""


class ShapeError(ClnnError, ValueError):
    """Operand shapes, or settings that decide a shape, do not fit the op."""


class DTypeError(ClnnError, TypeError):
    """An operand has a dtype or a type the op does not take."""


class SettingError(ClnnError, ValueError):
    """A setting (an option, a name, a probability) is outside what the call accepts."""


class IndexOutOfRangeError(ClnnError, IndexError):
    """An index or an axis points outside of a tensor."""


class DeviceError(ClnnError, RuntimeError):
    """A device is missing, or operands live on different ones."""


class UnsupportedOpError(ClnnError, NotImplementedError):
    """The backend has no implementation of the op, or the forced algorithm does not apply."""


class AutogradError(ClnnError, RuntimeError):
    """A gradient was asked for where the graph cannot give one."""


class NotDifferentiableError(AutogradError):
    """A gradient was asked of an op that declares none."""


class FileFormatError(ClnnError, ValueError):
    """A file is damaged, or was not written by clnn."""


class DatasetError(ClnnError, RuntimeError):
    """The files of a data set are missing, or no mirror has them."""


class OutOfMemoryError(ClnnError, MemoryError):
    """The device cannot hold an array; `asked`, `held` and `free` are bytes (free is None if unknown)."""

    def __init__(
        self, message: str, asked: int = 0, held: int = 0, free: int | None = None
    ) -> None:
        super().__init__(message)
        self.asked, self.held, self.free = asked, held, free


class KernelBuildError(ClnnError, RuntimeError):
    """OpenCL C did not render or compile; `source` (numbered) and `log` hold the evidence."""

    def __init__(self, message: str, source: str = "", log: str = "") -> None:
        super().__init__(message)
        self.source, self.log = source, log
