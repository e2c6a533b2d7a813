"""The database of a library: tables, transactions and migrations, in SQLite and PostgreSQL."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.database.connect import is_library, without_password
    from metachain.library.database.engine import Connections

__all__ = ["Connections", "is_library", "without_password"]
__getattr__, __dir__ = lazily(__name__, connect="is_library without_password", engine="Connections")
