"""The command that learns from a backing model's answers how to show it demonstrations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan

from rich.table import Column, Table

from metachain.chains.call_budget import CallBudget, Prices
from metachain.chains.calling import ModelCaller
from metachain.chains.collection import Collected, collect
from metachain.chains.models import load_model
from metachain.console import asking, out
from metachain.errors import DataError
from metachain.library import Library
from metachain.metrics import METRICS, suited_metric
from metachain.policy import CANDIDATES
from metachain.prior import Prior
from metachain.progress import Asked, AskedProgress, unasked

__all__ = ["Collecting", "collect_and_print"]

OUTPUT_LIMITS = {"ollama": "num_predict"}
"""What a provider calls the longest answer, where it isn't ``max_tokens``."""


@dataclass(frozen=True)
class Collecting:
    """What ``metachain learn --model`` was asked to do."""

    model: str
    metric: str
    calls: int
    tokens: int | None
    money: float | None
    input_price: float | None
    output_price: float | None
    answer_tokens: int
    max_concurrency: int
    requests_per_second: float | None
    instructions: str
    seed: int

    def caller(self, progress: AskedProgress) -> ModelCaller:
        """What asks the model; raises DataError for a model, a price or a number that can't be."""
        prices = None
        if self.input_price is not None and self.output_price is not None:
            prices = Prices(self.input_price, self.output_price)
        elif self.money is not None:
            raise DataError("--money needs --input-price and --output-price, each of a million tokens")
        provider = self.model.partition(":")[0]
        limit = OUTPUT_LIMITS.get(provider, "max_tokens")
        # Retries are the caller's: those of the client would be calls that nobody counts.
        model = load_model(self.model, **{limit: self.answer_tokens, "max_retries": 0})
        return ModelCaller(
            model,
            budget=CallBudget(self.calls, self.tokens, self.money, prices),
            max_concurrency=self.max_concurrency,
            requests_per_second=self.requests_per_second,
            progress=progress,
        )


def collect_and_print(library: Library, learned: Callable[[], Prior], wanted: Collecting) -> None:
    """Learn the prior, then from the model's answers, and print how its policies fared.

    What is wrong with ``wanted`` is said before anything is learned.
    """
    if wanted.metric and wanted.metric not in METRICS:
        raise DataError(f"no metric is called {wanted.metric!r}; there are: {', '.join(METRICS)}")
    wanted.caller(unasked).close()
    prior = learned()
    metric = wanted.metric or suited_metric([one.output for one in library.demonstrations()])
    with asking("asking the model") as show:

        def overall(asked: Asked) -> None:
            show(replace(asked, done=asked.calls, total=wanted.calls))

        with wanted.caller(overall) as caller:
            collected = collect(
                library,
                prior,
                caller,
                model=wanted.model,
                metric=METRICS[metric],
                metric_name=metric,
                calls=wanted.calls,
                instructions=wanted.instructions,
                seed=wanted.seed,
            )
            spent, money = caller.spent, caller.money
    print_collected(collected)
    cost = "" if money is None else f", {money:.2f} spent"
    out.print(f"{spent.calls} calls, {collected.answered_before} of them kept from before, {spent.tokens} tokens{cost}")


def print_collected(collected: Collected) -> None:
    """Print each policy's mean score and why it lost, and what is learned for the model."""
    learned, tuned = collected.learned, collected.tuned
    lost = {one.arm: one for one in tuned.dropped}
    numbers = [Column(name, justify="right") for name in ("score", "lost after", "by")]
    table = Table(
        "policy", *numbers, "because it", title=f"{learned.model}: mean {learned.metric} of {tuned.questions} queries"
    )
    for arm, (policy, score) in enumerate(zip(CANDIDATES, tuned.scores, strict=True)):
        out_of = lost.get(arm)
        told = (str(out_of.items), f"{out_of.behind:.3f}", out_of.reason) if out_of else ("", "", "")
        style = "bold" if policy == tuned.policy else None
        table.add_row(str(policy), "–" if isnan(score) else f"{score:.3f}", *told, style=style)
    out.print(table)
    low, high = learned.interval
    out.print(
        f"{learned.model} is shown {learned.policy}: {learned.gain:+.3f} [{low:+.3f}, {high:+.3f}] over the default"
    )
    for (institution, id), harm in collected.misleading.items():
        out.print(f"  demoted: {id} of {institution}, {harm.effect:+.2f} on {harm.queries} queries")
