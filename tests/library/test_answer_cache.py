"""The cache of answers of models."""

from pathlib import Path

import pytest
from handmade import Tiny

from metachain.errors import LibraryError
from metachain.library.answer_cache import AnswerCache
from metachain.library.embedding_cache import EmbeddingCache, cache_engine


def test_answers_are_kept_beside_embeddings(tmp_path: Path) -> None:
    """Any answer is stored, an empty one too; a second answer for a key is ignored; unknown keys are left out."""
    path = tmp_path / "new" / "cache.db"
    with cache_engine(path) as engine:
        vectors = EmbeddingCache(engine, Tiny()).vectors(["a"])
    keys = [str(number) for number in range(1200)]
    with AnswerCache.open(path) as cache:
        for key in keys:
            cache.keep(key, f"é\x00漢{key}")
        cache.keep("0", "another")
        cache.keep("empty", "")
        cache.keep("lone", "\ud800")
    with AnswerCache.open(path) as cache:
        assert cache.by_key([*keys, "absent"]) == {key: f"é\x00漢{key}" for key in keys}
        assert cache.by_key(["empty", "lone"]) == {"empty": "", "lone": "?"}
        assert cache.by_key([]) == {}
    with cache_engine(path) as engine:
        assert (EmbeddingCache(engine, Tiny()).vectors(["a"]) == vectors).all()


def test_another_file_is_no_cache(tmp_path: Path) -> None:
    """The message names the option for another file."""
    path = tmp_path / "cache.db"
    path.write_text("nonsense " * 200)
    with pytest.raises(LibraryError, match="--cache names another file"), AnswerCache.open(path):
        pass
