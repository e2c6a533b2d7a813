"""Step 4, chain: the selector inside LangChain Runnables, called in several ways.

    python examples/step4_chain.py

Put "anthropic:…", "ollama:…" or any chat model in place of "offline". One chain serves every hospital of the library;
each call names its hospital. The hospitals are synthetic.
"""

import asyncio

from hospital import a_new_hospital, right

from metachain import adapt, learn
from metachain.chains import classification_chain, few_shot_chain
from metachain.learning import save_posterior, save_prior
from metachain.retrievers import LibraryExampleSelector

LABELS = 16


async def main() -> None:
    """Call a chain synchronously and asynchronously, and print an answer with its reason."""
    with a_new_hospital() as (library, name, own):
        prior = learn(library)
        library.add(own[:LABELS])
        save_prior(library, prior)
        save_posterior(library, adapt(prior, library, name))

        selector = LibraryExampleSelector(library, k=8)
        config = {"configurable": {"institution": name}}
        queries = [{"input": one.input} for one in own[LABELS:]]

        classify = classification_chain("offline", selector, instructions="Answer with the billing code.")
        found = classify.invoke(queries[0], config)
        print(f"invoke: {found.label} ({found.reason})")
        answers = await classify.abatch(queries, config)
        print(f"abatch: {right([one.label for one in answers], own[LABELS:])}")

        answer = few_shot_chain("offline", selector, instructions="Answer with the billing code.")
        print("stream:", "".join(answer.stream(queries[0], config)))
        print("astream:", "".join([piece async for piece in answer.astream(queries[0], config)]))
        other = library.institutions()[0]
        print(f"the same chain for {other}: {answer.invoke({**queries[0], 'institution': other})}")


if __name__ == "__main__":
    asyncio.run(main())
