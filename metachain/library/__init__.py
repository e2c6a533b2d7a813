"""The persistent collection of institutions and their demonstrations, in SQLite or PostgreSQL."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.audit import AuditEntry
    from metachain.library.connect import is_library, without_password
    from metachain.library.embedding_cache import cached_vectors
    from metachain.library.engine import Connections
    from metachain.library.ingestion import Ingested, embed_stored, file_rows, ingest, ingest_file
    from metachain.library.library import Library
    from metachain.library.outcomes import Outcome
    from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant

__all__ = ["EVERYONE", "NOBODY", "Audience", "AuditEntry", "Connections", "Grant", "Ingested", "Library", "Outcome"]
__all__ += ["cached_vectors", "embed_stored", "file_rows", "ingest", "ingest_file", "is_library", "without_password"]
__getattr__, __dir__ = lazily(
    __name__,
    audit="AuditEntry",
    connect="is_library without_password",
    embedding_cache="cached_vectors",
    engine="Connections",
    ingestion="Ingested embed_stored file_rows ingest ingest_file",
    library="Library",
    outcomes="Outcome",
    sharing="EVERYONE NOBODY Audience Grant",
)
