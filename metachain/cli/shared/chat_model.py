"""Chat models on the command line: ``metachain learn --model`` and ``metachain evaluate --model``."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

from rich.table import Column, Table

from metachain.chains.answers.cleaning import Cleaning
from metachain.chains.call_budget import CallBudget, Prices
from metachain.chains.judge import judge_named
from metachain.chains.model_answerer import answering_with, load_countable
from metachain.chains.model_caller import ModelCaller
from metachain.chains.policy_learning import Collected, collect
from metachain.cli.shared import console
from metachain.errors import DataError
from metachain.evaluation.leave_one_out import check_model_alone
from metachain.evaluation.plan import Plan
from metachain.evaluation.scorers import Answerer
from metachain.learning.policy import CANDIDATES
from metachain.learning.prior import Prior
from metachain.library.library import Library
from metachain.progress import ModelProgress, ModelProgressCallback
from metachain.scoring.metrics import suited_metric
from metachain.scoring.named_metrics import metric_named
from metachain.workers import HERE, Workers

__all__ = ["ModelOptions", "answering_by_model", "cleaning_without", "learn_policy"]


@dataclass(frozen=True)
class ModelOptions:
    """Options of ``metachain learn --model``."""

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
    uncleaned: str = ""
    anyway: bool = False

    def caller(self, progress: ModelProgressCallback, workers: Workers = HERE) -> ModelCaller:
        """Caller of the model, in the processes ``workers``; raises DataError for a wrong model, price or number."""
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


def learn_policy(
    library: Library, learn_prior: Callable[[], Prior], options: ModelOptions, workers: Workers = HERE
) -> None:
    """Learn the prior, then how to show demonstrations to a model from its answers; print how the policies fared.

    Wrong options are reported before the prior is learned.
    """
    name = options.metric or suited_metric([one.output for one in library.demonstrations()])
    cleaning_without(options.uncleaned)
    metric = metric_named(name, encoder=library.encoder, judge=judge_named)
    with console.asking("asking the model") as show:

        def show_calls(asked: ModelProgress) -> None:
            show(replace(asked, done=asked.calls, total=options.calls))

        with options.caller(show_calls, workers) as caller:
            prior = learn_prior()
            collected = collect(
                library,
                prior,
                caller,
                model=options.model,
                metric=metric,
                metric_name=name,
                calls=options.calls,
                instructions=options.instructions,
                seed=options.seed,
                clean=cleaning_without(options.uncleaned),
                anyway=options.anyway,
            )
            spent, money = caller.spent, caller.money
    _print_policies(collected)
    cost = "" if money is None else f", {money:.2f} spent"
    console.out.print(
        f"{spent.calls} calls, {collected.answered_before} of them kept from before, {spent.tokens} tokens{cost}"
    )


def answering_by_model(
    plan: Plan,
    model: str,
    *,
    calls: int | None,
    instructions: str,
    max_concurrency: int,
    requests_per_second: float | None,
    workers: Workers,
    uncleaned: str = "",
    anyway: bool = False,
) -> Callable[[Path | None], AbstractContextManager[Answerer]]:
    """Load a model that answers in an evaluation, with a progress bar; the function returned takes the cache's path.

    Raises DataError for a model that is unknown, for one that can't answer by scores where the plan wants that, and
    for a plan with offline readers beside it.
    """
    check_model_alone(plan, model)
    return answering_with(
        model,
        calls=calls,
        instructions=instructions,
        max_concurrency=max_concurrency,
        requests_per_second=requests_per_second,
        asking=console.asking,
        workers=workers,
        answers_by=plan.answers_by,
        clean=cleaning_without(uncleaned),
        anyway=anyway,
    )


def cleaning_without(names: str) -> Cleaning:
    """Make the cleaning without rules, from their names separated by commas, or "all". Raises DataError."""
    if names.strip() == "all":
        return Cleaning.none()
    return Cleaning(off=frozenset(one.strip() for one in names.split(",") if one.strip()))


def _print_policies(collected: Collected) -> None:
    learned, race = collected.learned, collected.lesson.raced
    dropped = {one.arm: one for one in race.dropped}
    numbers = [Column(name, justify="right") for name in ("score", "lost after", "by")]
    title = f"{learned.model}: mean {learned.metric} of {race.questions} queries"
    table = Table("policy", *numbers, "because it", title=title)
    for arm, (policy, score) in enumerate(zip(CANDIDATES, race.scores, strict=True)):
        lost = dropped.get(arm)
        cells = (str(lost.items), f"{lost.behind:.3f}", lost.reason) if lost else ("", "", "")
        style = "bold" if policy == race.policy else None
        table.add_row(str(policy), "–" if isnan(score) else f"{score:.3f}", *cells, style=style)
    console.out.print(table)
    low, high = learned.interval
    gain = f"{learned.gain:+.3f} [{low:+.3f}, {high:+.3f}]"
    console.out.print(f"{learned.model} is shown from now on: {learned.policy}; {gain} over the default")
    for (institution, id), harm in collected.lesson.misleading.items():
        console.out.print(f"  demoted: {id} of {institution}, {harm.effect:+.2f} on {harm.queries} queries")
