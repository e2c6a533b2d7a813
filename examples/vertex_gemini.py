"""Gemini on Vertex AI: ``pip install 'metachain[vertex]'``.

    export GOOGLE_CLOUD_PROJECT=… GOOGLE_CLOUD_LOCATION=us-central1; gcloud auth application-default login
    python examples/vertex_gemini.py
    python examples/vertex_gemini.py --model offline

The hospitals are synthetic.
"""

from hospital import answer_for_a_new_hospital, command_line, model_of


def main() -> None:
    """Print a model's answers for a new hospital."""
    options = command_line("vertex:gemini-2.5-flash")
    answer_for_a_new_hospital(model_of(options, max_output_tokens=64, max_retries=3))


if __name__ == "__main__":
    main()
