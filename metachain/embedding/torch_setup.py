"""Quiet import of PyTorch and transformers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_torch"]


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Import and load models in this block: without progress bars, and with threads that sleep while they wait."""
    # Two OpenMP threads that spin beside a busy neighbour turn 15 ms into 500 ms.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
