"""One chain, with LangChain's selector and with metachain's. Needs the extra: metachain[community].

    python examples/beside_langchain.py

The hospitals are synthetic: the numbers show how it works, not how well.
"""

import tempfile
from pathlib import Path

from metachain import EVERYONE, Library, adapt, learn
from metachain.chains import few_shot_chain
from metachain.data import generate_world
from metachain.retrievers import EncoderEmbeddings, MetaExampleSelector, semantic_example_selector

LABELS = 16


def main() -> None:
    """Print the number of right answers for a new hospital with each selector."""
    world = generate_world()
    name, system = world[-1].institution, world[-1].metadata["group"]
    past = [one for one in world if one.metadata["group"] != system]
    own = [one for one in world if one.institution == name]
    queries = own[LABELS:]

    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db") as library:
        library.add(past, share=EVERYONE)
        prior = learn(library)
        library.add(own[:LABELS])
        selectors = {
            "LangChain's semantic similarity": semantic_example_selector(
                [*past, *own[:LABELS]], EncoderEmbeddings(library.encoder), k=8
            ),
            "metachain": MetaExampleSelector(library, adapt(prior, library, name), k=8),
        }
        for title, selector in selectors.items():
            answers = few_shot_chain("offline", selector).batch([{"input": one.input} for one in queries])
            right = sum(answer == one.output for answer, one in zip(answers, queries, strict=True))
            print(f"{title}: {right} of {len(queries)} right")


if __name__ == "__main__":
    main()
