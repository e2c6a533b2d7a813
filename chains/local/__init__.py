"""Chat models that run in this process, without a key: the rule-based reader, and language models in GGUF files."""
