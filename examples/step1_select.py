"""Step 1, select: what people do today. Nearest neighbours by embedding, LangChain's own selector.

    python examples/step1_select.py        # needs the extra metachain[community]

A new hospital asks; the nearest past examples are shown; the offline model answers from them. Much of it is wrong,
because other hospitals book the same text under other codes. The hospitals are generated and synthetic.
"""

from hospital import a_new_hospital, right

from metachain.chains import few_shot_chain
from metachain.retrievers import EncoderEmbeddings, semantic_example_selector

LABELS = 16


def main() -> None:
    """Print what is shown for one input, and how many of all inputs are answered as the new hospital books them."""
    with a_new_hospital() as (library, name, own):
        past, queries = library.demonstrations(), own[LABELS:]
        selector = semantic_example_selector([*past, *own[:LABELS]], EncoderEmbeddings(library.encoder), k=8)

        asked = {"input": queries[0].input}
        print(f"{name} asks {asked['input']!r}, which it books as {queries[0].output}; shown are:")
        for one in selector.select_examples(asked)[:4]:
            print(f"  {one['input']} → {one['output']}")

        chain = few_shot_chain("offline", selector)
        answers = chain.batch([{"input": one.input} for one in queries])
        print(f"nearest neighbours: {right(answers, queries)}")


if __name__ == "__main__":
    main()
