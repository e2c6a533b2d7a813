"""A language model of a few kilobytes, in a GGUF file: untrained, without a chat template."""

from pathlib import Path

import numpy as np

__all__ = ["write_tiny_gguf"]

WIDTH, HEADS, CONTEXT = 32, 2, 64


def write_tiny_gguf(path: Path) -> Path:
    """Write a llama of one layer with random weights, whose tokens are bytes, a line's end and two marks."""
    from gguf import GGUFWriter
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = ["<s>", "</s>", *bytes_to_unicode().values(), "ab"]
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    draw = np.random.default_rng(0)
    block = {"attn_q": 0, "attn_k": 0, "attn_v": 0, "attn_output": 0, "ffn_gate": 0, "ffn_up": 0, "ffn_down": 0}
    shapes = {f"blk.0.{name}": (WIDTH, WIDTH) for name in block}
    shapes |= {"token_embd": (len(tokens), WIDTH), "output": (len(tokens), WIDTH)}
    shapes |= dict.fromkeys(["blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"], (WIDTH,))
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
