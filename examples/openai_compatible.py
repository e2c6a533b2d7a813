"""OpenAI, or any server that speaks its protocol (vLLM, llama.cpp): ``pip install 'metachain[openai]'``.

    export OPENAI_API_KEY=…   # most servers of your own accept any text, with --base-url http://127.0.0.1:8000/v1
    python examples/openai_compatible.py
    python examples/openai_compatible.py --model offline

The hospitals are synthetic.
"""

from hospital import answer_for_a_new_hospital, command_line, model_of


def main() -> None:
    """Print a model's answers for a new hospital."""
    options = command_line("openai:gpt-4o-mini")
    answer_for_a_new_hospital(model_of(options, max_tokens=64, max_retries=3, timeout=60))


if __name__ == "__main__":
    main()
