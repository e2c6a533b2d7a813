"""The four chains with one signature, so that a test can run on each."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from metachain.chains import classification_chain, extraction_chain, few_shot_chain, summarization_chain

__all__ = ["MAKERS", "Chain", "Code", "each_chain", "extraction"]

Chain = Runnable[dict[str, Any], Any]


class Code(BaseModel):
    """Schema of the extraction chain."""

    code: str


def extraction(model: Any, selector: Any, **settings: Any) -> Chain:
    """Make the extraction chain of one schema, with the signature of the others."""
    return extraction_chain(model, selector, Code, **settings)


MAKERS: list[Callable[..., Chain]] = [few_shot_chain, classification_chain, extraction, summarization_chain]
each_chain = pytest.mark.parametrize("make", MAKERS)
