"""The command that learns from a backing model's answers how to show it demonstrations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan

from rich.table import Column, Table

from metachain.chains.call_budget import CallBudget, Prices
from metachain.chains.judge import judge_named
from metachain.chains.model_answerer import load_countable
from metachain.chains.model_caller import ModelCaller
from metachain.chains.policy_learning import Collected, collect
from metachain.cli.console import asking, out
from metachain.errors import DataError
from metachain.learning.policy import CANDIDATES
from metachain.learning.prior import Prior
from metachain.library.library import Library
from metachain.progress import ModelProgress, ModelProgressCallback
from metachain.scoring.metrics import suited_metric
from metachain.scoring.named_metrics import metric_named
from metachain.workers import HERE, Workers

__all__ = ["Collecting", "collect_and_print"]


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

    def caller(self, progress: ModelProgressCallback, workers: Workers = HERE) -> ModelCaller:
        """What asks the model, from ``workers``; raises DataError for a model, a price or a number that can't be."""
        prices = None
        if self.input_price is not None and self.output_price is not None:
            prices = Prices(self.input_price, self.output_price)
        elif self.money is not None:
            raise DataError("--money needs --input-price and --output-price, each of a million tokens")
        return ModelCaller(
            load_countable(self.model, self.answer_tokens, workers),
            budget=CallBudget(self.calls, self.tokens, self.money, prices),
            max_concurrency=self.max_concurrency,
            requests_per_second=self.requests_per_second,
            progress=progress,
        )


def collect_and_print(
    library: Library, learned: Callable[[], Prior], wanted: Collecting, workers: Workers = HERE
) -> None:
    """Learn the prior, then from the model's answers, and print how its policies fared.

    What is wrong with ``wanted`` is said before anything is learned.
    """
    name = wanted.metric or suited_metric([one.output for one in library.demonstrations()])
    metric = metric_named(name, encoder=library.encoder, judge=judge_named)
    with asking("asking the model") as show:

        def overall(asked: ModelProgress) -> None:
            show(replace(asked, done=asked.calls, total=wanted.calls))

        with wanted.caller(overall, workers) as caller:
            prior = learned()
            collected = collect(
                library,
                prior,
                caller,
                model=wanted.model,
                metric=metric,
                metric_name=name,
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
    learned, tuned = collected.learned, collected.lesson.raced
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
    gain = f"{learned.gain:+.3f} [{low:+.3f}, {high:+.3f}]"
    out.print(f"{learned.model} is shown from now on: {learned.policy}; {gain} over the default")
    for (institution, id), harm in collected.lesson.misleading.items():
        out.print(f"  demoted: {id} of {institution}, {harm.effect:+.2f} on {harm.queries} queries")
