"""Claude, from Anthropic: ``pip install 'metachain[anthropic]'``.

    export ANTHROPIC_API_KEY=…
    python examples/anthropic_claude.py
    python examples/anthropic_claude.py --model offline

The hospitals are synthetic.
"""

from hospital import answer_for_a_new_hospital, command_line, model_of


def main() -> None:
    """Print a model's answers for a new hospital."""
    options = command_line("anthropic:claude-haiku-4-5")
    answer_for_a_new_hospital(model_of(options, max_tokens=64, max_retries=3, timeout=60))


if __name__ == "__main__":
    main()
