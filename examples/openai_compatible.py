"""OpenAI, or any server that speaks its protocol (vLLM, llama.cpp): ``pip install 'metachain[openai]'``.

    export OPENAI_API_KEY=…   # any text will do for most servers of your own, with --base-url http://127.0.0.1:8000/v1
    python examples/openai_compatible.py
    python examples/openai_compatible.py --model offline

The hospitals are generated and synthetic.
"""

from hospital import answer_for_a_new_hospital, asked_for, model_of


def main() -> None:
    """Answer for a new hospital."""
    options = asked_for("openai:gpt-4o-mini")
    answer_for_a_new_hospital(model_of(options, max_tokens=64, max_retries=3, timeout=60))


if __name__ == "__main__":
    main()
