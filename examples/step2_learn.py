"""Step 2, learn: a prior of how well past hospitals' examples transfer to each other, before any new label.

    python examples/step2_learn.py

Each past hospital is held out in turn; the guard allows learned selection only where it pays. No model is called. The
hospitals are synthetic.
"""

import numpy as np
from hospital import a_new_hospital

from metachain import adapt, learn
from metachain.retrievers import MetaExampleSelector


def main() -> None:
    """Print the best transfers, the guard's decision, and the explained examples for a hospital without labels."""
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
        print(f"{name}, without a label, asks {own[0].input!r}; examples shown:")
        for one in selector.explain(own[0].input).chosen:
            print(f"  {one.demonstration.input} → {one.demonstration.output}: {one.reason}")


if __name__ == "__main__":
    main()
