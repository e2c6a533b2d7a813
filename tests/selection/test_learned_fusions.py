"""Fusions that a library keeps, one for each model."""

import pytest

from metachain.errors import LibraryError, NotFoundError
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.selection import Fusion, load_fusion, save_fusion


@pytest.mark.parametrize("margin", [None, 1.5])
def test_a_fusion_is_kept_for_its_model(library: Library, margin: float | None) -> None:
    """A later one replaces it; another model has none."""
    save_fusion(library, "local", Fusion())
    save_fusion(library, "local", Fusion(0.9, 0.2, margin))
    assert load_fusion(library, "local") == Fusion(0.9, 0.2, margin)
    with pytest.raises(NotFoundError, match="no fusion for 'ollama:llama3'"):
        load_fusion(library, "ollama:llama3")


def test_it_is_erased_with_what_it_was_learned_from(library: Library) -> None:
    """Weights come from all demonstrations, so they go with any of them, and the receipt says that they are lost."""
    save_fusion(library, "local", Fusion())
    assert "fusion of local" in forget(library, institution="hospital 0").lost
    with pytest.raises(NotFoundError, match="demonstrations were erased since"):
        load_fusion(library, "local")


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"format": "metachain-fusion/0", "fusion": {}},
        {"format": "metachain-fusion/1", "fusion": {"weight": 1.0}},
        {"format": "metachain-fusion/1", "fusion": {"model": -1.0}},
    ],
)
def test_a_damaged_one_is_told(library: Library, header: dict[str, object]) -> None:
    """It names the model."""
    library.save("fusion of local", header, {})
    with pytest.raises(LibraryError, match="the fusion for 'local' is damaged"):
        load_fusion(library, "local")
