"""A model on your own machine, by Ollama: ``pip install 'metachain[ollama]'``.

    ollama pull llama3
    python examples/ollama_local.py
    python examples/ollama_local.py --model offline

The hospitals are synthetic.
"""

from hospital import answer_for_a_new_hospital, command_line, model_of


def main() -> None:
    """Print a model's answers for a new hospital."""
    options = command_line("ollama:llama3")
    answer_for_a_new_hospital(model_of(options, temperature=0, num_ctx=8192, num_predict=64, max_retries=3))


if __name__ == "__main__":
    main()
