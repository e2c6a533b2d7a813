"""Step 1, select: nearest neighbours by embedding, with LangChain's own selector.

    python examples/step1_select.py        # needs the extra metachain[community]

The model sees the past examples nearest to each query of a new hospital. Many answers are wrong, because other
hospitals book the same text under other codes. The hospitals are synthetic.
"""

from hospital import a_new_hospital, right

from metachain.chains import few_shot_chain
from metachain.retrievers import EncoderEmbeddings, semantic_example_selector

LABELS = 16


def main() -> None:
    """Print the examples for one query, and the number of right answers for all queries."""
    with a_new_hospital() as (library, name, own):
        past, queries = library.demonstrations(), own[LABELS:]
        selector = semantic_example_selector([*past, *own[:LABELS]], EncoderEmbeddings(library.encoder), k=8)

        asked = {"input": queries[0].input}
        print(f"{name} asks {asked['input']!r}, which it books as {queries[0].output}; examples shown:")
        for one in selector.select_examples(asked)[:4]:
            print(f"  {one['input']} → {one['output']}")

        chain = few_shot_chain("offline", selector)
        answers = chain.batch([{"input": one.input} for one in queries])
        print(f"nearest neighbours: {right(answers, queries)}")


if __name__ == "__main__":
    main()
