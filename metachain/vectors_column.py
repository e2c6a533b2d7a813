"""The column type that holds a dense vector: bytes in an SQLite file, pgvector's ``vector`` in PostgreSQL."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["VectorColumn"]

ITEM = np.dtype(np.float32).itemsize


class VectorColumn(TypeDecorator[NDArray[np.float32]]):
    """A float32 vector (d,). What was stored and is none of whole numbers comes back as an empty one."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Bytes or ``vector``."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(LargeBinary())
        from pgvector.sqlalchemy import VECTOR  # noqa: PLC0415 - an extra

        kind: TypeEngine[Any] = dialect.type_descriptor(VECTOR())
        return kind

    def process_bind_param(self, value: NDArray[np.float32] | None, dialect: Dialect) -> Any:
        """To what the driver takes."""
        if value is None or dialect.name == "postgresql":
            return value
        return np.ascontiguousarray(value, np.float32).tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> NDArray[np.float32]:
        """From what the driver gives."""
        if isinstance(value, bytes):
            return np.frombuffer(value if len(value) % ITEM == 0 else b"", np.float32)
        return np.asarray(value if value is not None else [], np.float32)
