"""The persistent collection of institutions and their demonstrations, in SQLite or PostgreSQL."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.audit import AuditEntry, Event
    from metachain.library.audit_chain import Head
    from metachain.library.caller import Caller, called_by
    from metachain.library.database.connect import is_library, without_password
    from metachain.library.database.engine import Connections
    from metachain.library.embedding_cache import cached_vectors
    from metachain.library.erasure import records_sha256
    from metachain.library.ingestion import Ingested, embed_stored, file_rows, ingest, ingest_file
    from metachain.library.library import Library
    from metachain.library.likeness import LookAlikes
    from metachain.library.outcomes import Outcome
    from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant

__all__ = [
    "EVERYONE",
    "NOBODY",
    "Audience",
    "AuditEntry",
    "Caller",
    "Connections",
    "Event",
    "Grant",
    "Head",
    "Ingested",
]
__all__ += [
    "Library",
    "LookAlikes",
    "Outcome",
    "cached_vectors",
    "called_by",
    "embed_stored",
    "file_rows",
    "ingest",
    "ingest_file",
]
__all__ += ["is_library", "records_sha256", "without_password"]
__getattr__, __dir__ = lazily(
    __name__,
    audit="AuditEntry Event",
    audit_chain="Head",
    caller="Caller called_by",
    database="Connections is_library without_password",
    embedding_cache="cached_vectors",
    erasure="records_sha256",
    ingestion="Ingested embed_stored file_rows ingest ingest_file",
    library="Library",
    likeness="LookAlikes",
    outcomes="Outcome",
    sharing="EVERYONE NOBODY Audience Grant",
)
