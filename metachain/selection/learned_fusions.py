"""Learned fusions of a library, one for each model."""

from dataclasses import asdict

from metachain.data.demonstration import check_text
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.library.erasure import FUSION
from metachain.library.library import Library
from metachain.selection.fusion import Fusion

__all__ = ["load_fusion", "save_fusion"]

FORMAT = "metachain-fusion/1"


def save_fusion(library: Library, model: str, fusion: Fusion) -> None:
    """Store the fusion learned for a model, replacing the one before."""
    check_text("model", model)
    library.save(f"{FUSION}{model}", {"fusion": asdict(fusion), "format": FORMAT}, {})


def load_fusion(library: Library, model: str) -> Fusion:
    """Read the fusion learned for a model. Raises NotFoundError without one, LibraryError where it is damaged."""
    check_text("model", model)
    try:
        header, _ = library.load(f"{FUSION}{model}")
    except NotFoundError:
        raise NotFoundError(
            f"the library has no fusion for {model!r}: none was learned, or demonstrations were erased since; "
            "learn one with metachain.selection.learn_fusion, and save it"
        ) from None
    try:
        if header["format"] != FORMAT:
            raise DataError(f"format {header['format']!r}")
        return Fusion(**header["fusion"])
    except (KeyError, TypeError, DataError) as error:
        raise LibraryError(f"the fusion for {model!r} is damaged ({error!r}); learn it again") from error
