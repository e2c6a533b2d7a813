"""The exception tree.

MetachainError
├── DataError        (ValueError)       a record, a file or an argument is not what it must be
│   └── AnswerError                     a language model's answer is not what it must be
├── NotFoundError    (LookupError)      an institution, a prior or a posterior is not in the library
│   └── NotLearnedError                 the library holds no prior, or none any more
├── LibraryError     (ValueError)       the library file is foreign, corrupt or of another format
├── StorageError     (PermissionError)  the library can't be written: read-only place, full disk, locked
│   └── BusyError                       all of its database's connections are in use
├── SharingError     (PermissionError)  an institution does not share what is asked for
└── ModelError       (RuntimeError)     a language model can't be reached, or refuses to be asked

Every message says what was wrong, what was got, and what to do.
"""

__all__ = [
    "AnswerError",
    "BusyError",
    "DataError",
    "LibraryError",
    "MetachainError",
    "ModelError",
    "NotFoundError",
    "NotLearnedError",
    "SharingError",
    "StorageError",
]


class MetachainError(Exception):
    """Base of every error that metachain raises on purpose."""


class DataError(MetachainError, ValueError):
    """A record, a file or an argument is not what it must be."""


class AnswerError(DataError):
    """A language model's answer is not what it must be."""


class NotFoundError(MetachainError, LookupError):
    """An institution, a prior or a posterior is not in the library."""


class NotLearnedError(NotFoundError):
    """The library holds no prior, or none any more: it must learn, or is learning again after an erasure."""


class LibraryError(MetachainError, ValueError):
    """The library file is foreign, corrupt or of another format."""


class StorageError(MetachainError, PermissionError):
    """The library can't be written: read-only place, full disk, or locked by another process."""


class BusyError(StorageError):
    """All connections to the library's database are in use."""


class SharingError(MetachainError, PermissionError):
    """An institution does not share what is asked for, or does so no more."""


class ModelError(MetachainError, RuntimeError):
    """A language model can't be reached, or refuses to be asked."""
