"""Step 5, feedback: scores and corrections of answers count in the next selection.

    python examples/step5_feedback.py

A person scores or corrects answers. No training and no restart are needed. The hospitals are synthetic: the numbers
show how it works, not how well.
"""

from uuid import uuid4

from hospital import a_new_hospital, right

from metachain import adapt, learn
from metachain.chains import classification_chain, recorded
from metachain.retrievers import MetaExampleSelector

ASKED = 24


def main() -> None:
    """Print the number of right answers before and after the corrections of a day."""
    with a_new_hospital() as (library, name, own):
        prior = learn(library)
        selector = MetaExampleSelector(library, adapt(prior, library, name), k=8)
        chain = recorded(classification_chain("offline", selector), library)
        today, later = own[:ASKED], own[ASKED:]

        def answered(queries: list) -> list:
            return [one.label for one in chain.batch([{"input": query.input} for query in queries])]

        print(f"before any feedback: {right(answered(later), later)}")
        wrong = 0
        for one in today:
            run = uuid4()
            label = chain.invoke({"input": one.input}, {"run_id": run}).label
            if label == one.output:
                library.record_feedback(run, 1.0)
            else:
                wrong += 1
                library.record_feedback(run, 0.0, correction=one.output)
        print(f"of {ASKED} answers {wrong} were corrected, the others confirmed")
        print(f"after it: {right(answered(later), later)}")


if __name__ == "__main__":
    main()
