"""Gemini on Vertex AI: ``pip install 'metachain[vertex]'``.

    export GOOGLE_CLOUD_PROJECT=… GOOGLE_CLOUD_LOCATION=us-central1; gcloud auth application-default login
    python examples/vertex_gemini.py
    python examples/vertex_gemini.py --model offline

The hospitals are generated and synthetic.
"""

from hospital import answer_for_a_new_hospital, asked_for, model_of


def main() -> None:
    """Answer for a new hospital."""
    options = asked_for("vertex:gemini-2.5-flash")
    answer_for_a_new_hospital(model_of(options, max_output_tokens=64, max_retries=3))


if __name__ == "__main__":
    main()
