"""Learn from past hospitals, adapt to a new one from 16 labels, and answer with the offline model.

    python examples/new_hospital.py

The hospitals are generated and synthetic. Put "anthropic:…", "ollama:…" or any chat model in place of "offline".
"""

import tempfile
from pathlib import Path

from metachain import EVERYONE, Library, adapt, learn
from metachain.chains import classification_chain
from metachain.retrievers import MetaExampleSelector
from metachain.world import generate_world

LABELS = 16


def main() -> None:
    """Print the new hospital's first answers beside its own codes, and why for one of them."""
    world = generate_world()
    name = world[-1].institution
    past = [one for one in world if one.institution != name]
    own = [one for one in world if one.institution == name]

    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db") as library:
        library.add(past, share=EVERYONE)
        prior = learn(library)
        library.add(own[:LABELS])
        selector = MetaExampleSelector(library, adapt(prior, library, name), k=8)

        chain = classification_chain("offline", selector, instructions="Answer with the billing code.")
        queries = own[LABELS : LABELS + 5]
        for query, answer in zip(queries, chain.batch([{"input": one.input} for one in queries]), strict=True):
            print(f"{query.input:<50} {name} says {query.output}, the chain says {answer.label}")
        for one in selector.explain(queries[0].input).chosen:
            print(f"  {one.demonstration.input} → {one.demonstration.output}: {one.reason}")


if __name__ == "__main__":
    main()
