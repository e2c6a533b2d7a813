"""Step 2, learn: past hospitals teach who can answer for whom, before the new one has labelled anything.

    python examples/step2_learn.py

Each past hospital plays the new one in turn; the guard lets learning in only where that pays. No model is called.
The hospitals are generated and synthetic.
"""

import numpy as np
from hospital import a_new_hospital

from metachain import adapt, learn
from metachain.retrievers import MetaExampleSelector


def main() -> None:
    """Print who transfers to whom, what the guard decided, and what a hospital without labels is shown, and why."""
    with a_new_hospital() as (library, name, own):
        prior = learn(library)
        print(f"learned from {len(prior.institutions)} past hospitals")

        others = prior.transfer - np.diag(np.diag(prior.transfer))
        for asking in (0, 1):
            best = int(others[asking].argmax())
            share = others[asking, best]
            print(
                f"  {prior.institutions[best]} answers {share:.0%} of {prior.institutions[asking]}'s inputs as it would"
            )
        print(f"with labels the guard lets learning choose: {prior.lesson.settings is not None}")
        print(f"without labels it lets the consensus choose: {prior.lesson.trusts_consensus}")

        selector = MetaExampleSelector(library, adapt(prior, library, name), k=4)
        print(f"{name}, without a label, asks {own[0].input!r}; shown are:")
        for one in selector.explain(own[0].input).chosen:
            print(f"  {one.demonstration.input} → {one.demonstration.output}: {one.reason}")


if __name__ == "__main__":
    main()
