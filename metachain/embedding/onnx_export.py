"""Export of a sentence transformer to ONNX by PyTorch, verified against PyTorch.

Imported only for an export, as it needs PyTorch and transformers.
"""

import io
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import AutoModel

__all__ = ["export"]

OPSET = 17
TOLERANCE = 1e-5


class _Embedding(torch.nn.Module):  # type: ignore[misc]
    """A transformer followed by the layers of sentence-transformers: mean over tokens, scaled to unit length."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Embed n texts of at most t tokens: (n, t) token ids and (n, t) mask, 1 for a token; (n, d)."""
        present = attention_mask.unsqueeze(-1).to(torch.float32)
        # Added to the attention's scores as it is; transformers would make the same of a flat mask in many more steps.
        absent = (1 - attention_mask[:, None, None, :].to(torch.float32)) * torch.finfo(torch.float32).min
        tokens = self.transformer(input_ids=input_ids, attention_mask=absent).last_hidden_state
        mean = (tokens * present).sum(1) / present.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, p=2, dim=1)


def export(folder: Path) -> bytes:
    """Model in ``folder`` as ONNX: ``input_ids``, ``attention_mask`` (n, t) int64 to ``vectors`` (n, d) float32.

    Raises the errors of PyTorch's exporter, and ArithmeticError if the exported model's vectors differ.
    """
    model = _Embedding(AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager")).eval()
    written = io.BytesIO()
    both = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            _sample([9, 5]),
            written,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": both, "attention_mask": both, "vectors": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )
    _compare(model, written.getvalue())
    return written.getvalue()


def _sample(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask of texts with these numbers of tokens."""
    present = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).to(torch.int64)
    return present * (torch.arange(present.numel()).reshape(present.shape) % 997 + 1), present


def _compare(model: torch.nn.Module, exported: bytes) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for lengths in ([1], [256], [3, 40, 17]):
        identifiers, mask = _sample(lengths)
        with torch.no_grad():
            expected = model(identifiers, mask).numpy()
        found = session.run(None, {"input_ids": identifiers.numpy(), "attention_mask": mask.numpy()})[0]
        if not np.allclose(found, expected, rtol=0, atol=TOLERANCE):
            raise ArithmeticError(f"vectors of the exported model are off by {np.abs(found - expected).max():.1e}")
