"""``metachain index``: builds the vector index of a PostgreSQL library."""

from metachain import cli
from metachain import library as libraries
from metachain.cli.shared.options import LibraryPath

__all__ = ["index"]


def index(library: LibraryPath) -> None:
    """Build the vector index of a PostgreSQL library; from then on it is kept current.

    Demonstrations without an embedding are embedded first. Other processes may read and write meanwhile.

    Example: metachain index postgresql+psycopg://metachain@db.example/hospitals
    """
    with libraries.Library.open(library, create=False) as opened:
        with cli.working() as progress:
            libraries.embed_stored(opened, opened.institutions(), progress)
        cli.out.print(f"{opened.index()} demonstrations are indexed in {libraries.without_password(library)}")
