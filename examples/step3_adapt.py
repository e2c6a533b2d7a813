"""Step 3, adapt: a few labels of the new hospital show which past hospitals fit it, for which inputs.

    python examples/step3_adapt.py

Adaptation is exact, and takes milliseconds. The hospitals are synthetic: the numbers show how it works, not how well.
"""

import time

from hospital import a_new_hospital, right

from metachain import adapt, learn, suggest_labels
from metachain.chains import few_shot_chain
from metachain.retrievers import MetaExampleSelector


def main() -> None:
    """Print the number of right answers with 0, 4, 16 and 32 labels, and the best inputs to label next."""
    with a_new_hospital() as (library, name, own):
        prior, queries = learn(library), own[32:]
        for labels in (0, 4, 16, 32):
            library.add(own[:labels])
            begun = time.perf_counter()
            posterior = adapt(prior, library, name)
            took = time.perf_counter() - begun
            chain = few_shot_chain("offline", MetaExampleSelector(library, posterior, k=8))
            answers = chain.batch([{"input": one.input} for one in queries])
            print(f"{labels:>2} labels: {right(answers, queries)}, adapted in {1000 * took:.0f} ms")

        texts = [one.input for one in queries]
        for one in suggest_labels(library, posterior, texts, budget=2):
            print(f"label next {one.text!r}: {one.reason}")


if __name__ == "__main__":
    main()
