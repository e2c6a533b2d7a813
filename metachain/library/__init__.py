"""The persistent collection of institutions and their demonstrations, in SQLite or PostgreSQL."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.library.ingestion import embed_stored, ingest_file
    from metachain.library.library import Library
    from metachain.library.outcomes import Outcome
    from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant

__all__ = ["EVERYONE", "NOBODY", "Audience", "Grant", "Library", "Outcome", "embed_stored", "ingest_file"]
__getattr__, __dir__ = lazily(
    __name__,
    ingestion="embed_stored ingest_file",
    library="Library",
    outcomes="Outcome",
    sharing="EVERYONE NOBODY Audience Grant",
)
