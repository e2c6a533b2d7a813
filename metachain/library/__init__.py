"""The persistent collection of institutions and their demonstrations, in SQLite or PostgreSQL."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.audit import AuditEntry
    from metachain.library.connect import is_library, without_password
    from metachain.library.embedding_cache import cached_vectors
    from metachain.library.ingestion import Ingested, embed_stored, file_rows, ingest, ingest_file
    from metachain.library.library import Library
    from metachain.library.outcomes import Outcome
    from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant

__all__ = [
    "EVERYONE",
    "NOBODY",
    "Audience",
    "AuditEntry",
    "Grant",
    "Ingested",
    "Library",
    "Outcome",
    "cached_vectors",
    "embed_stored",
    "file_rows",
    "ingest",
    "ingest_file",
    "is_library",
    "without_password",
]
_HOMES = {
    "AuditEntry": "audit",
    "is_library": "connect",
    "without_password": "connect",
    "cached_vectors": "embedding_cache",
    "Ingested": "ingestion",
    "embed_stored": "ingestion",
    "file_rows": "ingestion",
    "ingest": "ingestion",
    "ingest_file": "ingestion",
    "Library": "library",
    "Outcome": "outcomes",
    "EVERYONE": "sharing",
    "NOBODY": "sharing",
    "Audience": "sharing",
    "Grant": "sharing",
}
__getattr__ = lazily(__name__, _HOMES)
