"""Helpers of the examples: synthetic hospitals, and one command line."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from metachain import EVERYONE, Demonstration, Library, adapt, learn
from metachain.chains import few_shot_chain, load_model
from metachain.data import WorldSettings, generate_world
from metachain.retrievers import MetaExampleSelector

LABELS = 16


@contextmanager
def a_new_hospital() -> Iterator[tuple[Library, str, list[Demonstration]]]:
    """Open a library of past hospitals; yield it with a new hospital's name and demonstrations.

    No hospital of the new one's system is in the library.
    """
    world = generate_world()
    name, system = world[-1].institution, world[-1].metadata["group"]
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db") as library:
        library.add((one for one in world if one.metadata["group"] != system), share=EVERYONE)
        yield library, name, [one for one in world if one.institution == name]


def right(answers: Sequence[str | None], queries: Sequence[Demonstration]) -> str:
    """Count the answers that equal the hospital's own."""
    hits = sum(answer == one.output for answer, one in zip(answers, queries, strict=True))
    return f"{hits} of {len(queries)} right"


def command_line(default: str) -> argparse.Namespace:
    """Read ``--model``, the provider's model by default, and ``--base-url``, for a server of your own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=default, help=f"provider:name, or offline (default: {default})")
    parser.add_argument("--base-url", help="the server's address, instead of the client's default")
    return parser.parse_args()


def model_of(options: argparse.Namespace, **provider_only: Any) -> BaseChatModel:
    """Load the model of the command line; the provider's arguments are left out for the offline model."""
    if options.model == "offline":
        return load_model("offline")
    where = {"base_url": options.base_url} if options.base_url else {}
    return load_model(options.model, **provider_only, **where)


def answer_for_a_new_hospital(model: BaseChatModel) -> None:
    """Learn from past hospitals, adapt to a new one from 16 labels, and print the answers beside its own codes."""
    world = generate_world(WorldSettings(institutions=8, demonstrations=60))
    name = world[-1].institution
    own = [one for one in world if one.institution == name]
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db") as library:
        library.add([one for one in world if one.institution != name], share=EVERYONE)
        prior = learn(library)
        library.add(own[:LABELS])
        selector = MetaExampleSelector(library, adapt(prior, library, name), k=8)
        chain = few_shot_chain(model, selector, "Answer with the billing code alone.")
        for one in own[LABELS : LABELS + 3]:
            print(f"{one.input:<50} {name} says {one.output}, the model says {chain.invoke({'input': one.input})}")
