"""The command line, where core, retrievers and chains meet. Heavy imports wait inside the commands."""

import io
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from metachain import __version__
from metachain.errors import DataError, MetachainError

__all__ = ["app", "main"]

FAILED = 2
DEFAULT_LABELS = "0,4,8,16,32"

app = typer.Typer(
    help="Learn which past institutions' demonstrations best transfer to a new one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

LibraryPath = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="Path of the library (an SQLite file), or postgresql+psycopg://…")
]
Institution = Annotated[str, typer.Argument(help="Name of the institution that asks.")]
Data = Annotated[Path, typer.Argument(help='JSON Lines of {"institution", "input", "output"}.')]
Query = Annotated[str, typer.Argument(metavar="TEXT", help="The input that wants an answer.")]
Shots = Annotated[
    int | None,
    typer.Option("--shots", "-k", min=0, help="How many demonstrations to show at most; 8, or what was learned."),
]
Purpose = Annotated[
    str,
    typer.Option(envvar="METACHAIN_PURPOSE", help="What others' demonstrations are used for, as their rules call it."),
]
Deidentify = Annotated[
    str,
    typer.Option(
        envvar="METACHAIN_DEIDENTIFY", help="What to do with identifiers of patients: off, flag, redact or refuse."
    ),
]
Recorded = Annotated[
    bool, typer.Option("--audit/--no-audit", help="Whether the selection is recorded in the library's audit.")
]
Model = Annotated[str, typer.Option(help='"offline", or provider:name such as anthropic:claude-haiku-4-5.')]
Dask = Annotated[
    str,
    typer.Option(
        envvar="METACHAIN_DASK",
        metavar="ADDRESS",
        help="Work on a Dask cluster: its scheduler's address, such as tcp://127.0.0.1:8786; or local, or local:4.",
    ),
]


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except MetachainError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILED)


@app.callback(invoke_without_command=True)
def metachain(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Learn which past institutions' demonstrations best transfer to a new one."""
    if version:
        typer.echo(f"metachain {__version__}")
        raise typer.Exit


@app.command()
def add(
    library: LibraryPath,
    data: Annotated[
        Path, typer.Argument(help="JSON Lines, CSV, TSV (also gzipped), Parquet, or a folder of save_to_disk.")
    ],
    format: Annotated[
        str, typer.Option(help="jsonl, csv, tsv, parquet or dataset; left out, what DATA's name says.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing where any row is bad.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="Write bad rows here; left out, DATA.rejected.jsonl in this folder.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, such as input=description; again for others.")
    ] = None,
    institution: Annotated[str, typer.Option(help="Whose demonstrations they are, where DATA doesn't say.")] = "",
    share: Annotated[
        str,
        typer.Option(
            help="Who may use them: everyone, nobody, group:NAME,… or names; for institutions without a rule."
        ),
    ] = "",
    deidentify: Deidentify = "off",
    no_embed: Annotated[bool, typer.Option("--no-embed", help="Leave embedding for later.")] = False,
    dask: Dask = "",
) -> None:
    """Add demonstrations to a library (made where there is none); adding them again changes nothing.

    DATA has a field or a column each for institution, input and output, and may have id and metadata. Rows that can't
    be used are left out and written to a file with their line numbers and reasons. What no rule allows is not shared:
    say with --share, or with the command share, who may be shown them.
    """
    from metachain.adding import Adding, add_and_print

    wanted = Adding(
        data, format, strict, rejected, tuple(column or ()), institution or None, share, deidentify, not no_embed, dask
    )
    add_and_print(library, wanted)


@app.command()
def index(library: LibraryPath) -> None:
    """Build the index by which PostgreSQL finds the nearest demonstrations itself; it is kept current from then on.

    What is not embedded yet is embedded first. Others may read and write meanwhile.
    """
    from metachain.console import out, working
    from metachain.ingestion import embed_stored
    from metachain.library import Library
    from metachain.opening import without_password

    with Library.open(library, create=False) as opened:
        with working() as progress:
            embed_stored(opened, opened.institutions(), progress)
        out.print(f"{opened.index()} demonstrations are indexed in {without_password(library)}")


@app.command()
def share(
    library: LibraryPath,
    institution: Annotated[
        str, typer.Argument(help="Whose rules to state; left out, those there are get listed.")
    ] = "",
    with_: Annotated[
        str,
        typer.Option("--with", help="Who may be shown its demonstrations: everyone, nobody, group:NAME,… or names."),
    ] = "",
    statistics: Annotated[
        str, typer.Option(help="Who may learn from its statistics without being shown anything; as for --with.")
    ] = "",
    purpose: Annotated[
        list[str] | None, typer.Option(help="For which purpose alone; may be given several times.")
    ] = None,
    until: Annotated[str, typer.Option(help="The day or moment from which on it counts no more, as 2027-12-31.")] = "",
    also: Annotated[bool, typer.Option("--also", help="Keep what it allowed before.")] = False,
    everybody: Annotated[bool, typer.Option("--all", help="For every institution in the library.")] = False,
) -> None:
    """State who may use what of an institution, in place of what it allowed before; or list what is allowed."""
    from metachain.agreements import list_rules, state_rules

    if not institution and not everybody:
        list_rules(library)
        return
    if institution and everybody:
        raise DataError("name one institution, or take --all, not both")
    state_rules(library, institution, with_, statistics, purpose or [], until, also=also)


@app.command()
def group(
    library: LibraryPath,
    name: Annotated[str, typer.Argument(help="Of the group, as sharing rules call it.")],
    institutions: Annotated[list[str] | None, typer.Argument(help="Its members; none ends the group.")] = None,
) -> None:
    """Say which institutions belong to a group, in place of those that did."""
    from metachain.console import out
    from metachain.library import Library

    with Library.open(library, create=False) as opened:
        opened.sharing.group(name, institutions or [])
    out.print(f"group {name}: {', '.join(sorted(institutions or [])) or 'nobody'}")


@app.command()
def export(
    library: LibraryPath,
    institution: Institution,
    file: Annotated[Path, typer.Argument(help="Where the JSON Lines are written, whole or not at all.")],
    own: Annotated[bool, typer.Option("--own", help="The institution's own demonstrations too.")] = False,
    purpose: Purpose = "",
) -> None:
    """Write the demonstrations that others share with an institution."""
    from metachain.exporting import export as write

    write(library, institution, file, purpose, own=own)


@app.command()
def learn(
    library: LibraryPath,
    model: Annotated[
        str, typer.Option(help="Learn from this model's answers too, how to show it demonstrations.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(
            help="What scores answers: exact_match, judge:PROVIDER:NAME, …; left out, what suits the outputs."
        ),
    ] = "",
    calls: Annotated[int, typer.Option(min=0, help="At most so many calls of the model.")] = 2000,
    tokens: Annotated[int | None, typer.Option(min=0, help="At most so many tokens, read and written.")] = None,
    money: Annotated[float | None, typer.Option(min=0, help="At most so much money; needs the two prices.")] = None,
    input_price: Annotated[float | None, typer.Option(min=0, help="Of a million tokens read.")] = None,
    output_price: Annotated[float | None, typer.Option(min=0, help="Of a million tokens written.")] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer of the model, in tokens.")] = 256,
    max_concurrency: Annotated[int, typer.Option(min=1, help="At most so many calls at once.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="At most so many calls are begun a second.")] = None,
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Orders the queries that the model is asked.")] = 0,
    statistics: Annotated[
        list[Path] | None,
        typer.Option(help="File that `metachain statistics` wrote elsewhere; may be given several times."),
    ] = None,
    minimum: Annotated[
        int, typer.Option(min=2, help="Learn from so many institutions at least, with those of --statistics.")
    ] = 3,
    institution: Annotated[
        str, typer.Option("--for", help="Learn for this institution alone, from what is shared with it in particular.")
    ] = "",
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Learn from every institution in the library who transfers to whom, and whether learning pays.

    With --statistics also from institutions that keep their demonstrations to themselves.

    With --model also how that model is best shown demonstrations: past institutions play the new one, and the model
    answers. What it answered is kept in the library, so that the same command after an interruption goes on.
    """
    from metachain.console import out, print_lesson, working
    from metachain.contribution import read_contribution
    from metachain.dask_workers import workers_at
    from metachain.library import Library
    from metachain.opening import without_password
    from metachain.prior import Prior, save_prior
    from metachain.prior import learn as learn_prior

    given = [read_contribution(path) for path in statistics or ()]
    with (
        workers_at(dask) as workers,
        Library.open(library, create=False, purpose=purpose, workers=workers) as opened,
    ):
        opened.check_writable()

        def learned() -> Prior:
            with working() as progress:
                prior = learn_prior(opened, institution or None, statistics=given, minimum=minimum, progress=progress)
            save_prior(opened, prior, institution or None)
            further = f" and the statistics of {len(given)} more" if given else ""
            place = without_password(library)
            out.print(f"learned from {len(prior.institutions)} institutions{further}; the prior is stored in {place}")
            print_lesson(prior.lesson)
            return prior

        if not model:
            learned()
            return
        from metachain.collecting import Collecting, collect_and_print

        wanted = Collecting(
            model=model,
            metric=metric,
            calls=calls,
            tokens=tokens,
            money=money,
            input_price=input_price,
            output_price=output_price,
            answer_tokens=answer_tokens,
            max_concurrency=max_concurrency,
            requests_per_second=requests_per_second,
            instructions=instructions,
            seed=seed,
        )
        collect_and_print(opened, learned, wanted, workers)


@app.command()
def statistics(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Name of the institution whose demonstrations stay here.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here, for `metachain learn`.")] = None,
) -> None:
    """Measure an institution beside the others of a library: what it can give without giving its demonstrations."""
    from metachain.disclosure import disclose

    disclose(library, institution, json_file)


@app.command()
def adapt(
    library: LibraryPath,
    institution: Institution,
    support: Annotated[
        Path | None, typer.Argument(help="JSON Lines of the institution's labelled examples; leave out for none.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Text file of all answers it gives, such as its codes, one a line.")
    ] = None,
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Adapt to a new institution: store its labelled examples and compute its posterior."""
    from metachain.console import out, working
    from metachain.deidentification import gate_named
    from metachain.demonstration import read_answers, read_demonstrations
    from metachain.library import Library
    from metachain.posterior import adapt as adapt_posterior
    from metachain.posterior import save_posterior
    from metachain.prior import load_prior

    examples = read_demonstrations(support, institution) if support else []
    given = read_answers(answers) if answers else []
    with Library.open(library, create=False, purpose=purpose, gate=gate_named(deidentify)) as opened:
        prior = load_prior(opened, institution)
        opened.add(examples)
        if given:
            out.print(f"{len(opened.list_answers(institution, given))} answers listed for {institution}")
        with working() as progress:
            opened.vectors(examples, progress)
            posterior = adapt_posterior(prior, opened, institution)
        save_posterior(opened, posterior)
    how = "learned selection" if posterior.method == "metachain" else "plain nearest neighbours (the guard's choice)"
    out.print(f"adapted to {institution} with {posterior.labels} labels; it will use {how}")


@app.command()
def select(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    shots: Shots = None,
    model: Model = "offline",
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Show the demonstrations chosen for one input, and why; as the model is shown them, where one was learned from."""
    from metachain.console import print_selection
    from metachain.library import Library
    from metachain.policies import load_policy
    from metachain.posterior import load_posterior
    from metachain.selector import Selector

    with Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = load_policy(opened, model)
        print_selection(Selector(opened, load_posterior(opened, institution), shots, policy).select(text))


@app.command()
def ask(
    library: LibraryPath,
    institution: Institution,
    text: Query,
    model: Model = "offline",
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    shots: Shots = None,
    purpose: Purpose = "",
    audit: Recorded = True,
) -> None:
    """Answer one input with a model that is shown the chosen demonstrations, as was learned for it where it was."""
    from metachain.chains import few_shot_chain
    from metachain.library import Library
    from metachain.policies import load_policy
    from metachain.posterior import load_posterior
    from metachain.retrievers import MetaExampleSelector

    with Library.open(library, create=False, purpose=purpose, audit=audit) as opened:
        policy = load_policy(opened, model)
        selector = MetaExampleSelector(opened, load_posterior(opened, institution), shots, policy=policy)
        typer.echo(few_shot_chain(model, selector, instructions=instructions).invoke({"input": text}))


@app.command("audit")
def audit_(
    library: LibraryPath,
    institution: Annotated[str, typer.Option(help="Who asked.")] = "",
    source: Annotated[str, typer.Option(help="Whose demonstrations were shown.")] = "",
    since: Annotated[str, typer.Option(help="From this day or moment on, as 2026-11-01.")] = "",
    until: Annotated[str, typer.Option(help="Before this day or moment.")] = "",
    model: Annotated[str, typer.Option(help="Which model they were shown to.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all of them here, one a line; - for standard output.")
    ] = None,
    prune: Annotated[
        str, typer.Option(help="Delete what is older than an age such as 90d or 12h, or than a day or moment.")
    ] = "",
) -> None:
    """Say who was shown whose demonstrations, when and under which rules: ids and numbers, never a text."""
    from metachain.auditing import Asked, print_audit, prune_audit

    asked = Asked(institution, source, since, until, model)
    if not prune:
        print_audit(library, asked, json_file)
        return
    if asked != Asked() or json_file:
        raise DataError("--prune deletes by age alone; leave the other options out")
    prune_audit(library, prune)


@app.command()
def key(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Who asks with it; left out, those there are get listed.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it allows: ask, explain, texts, read, label, feedback, adapt; may be given again."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make one of no institution that allows everything.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Make one that reads the server's numbers alone.")] = False,
    until: Annotated[str, typer.Option(help="The day or moment from which on it counts no more.")] = "",
    revoke: Annotated[str, typer.Option(metavar="ID", help="Take a key away.")] = "",
) -> None:
    """Make a key for a caller of `metachain serve`, which is told once; take one away; or list what there is."""
    from metachain.callers import list_keys, make_key, revoke_key

    if bool(revoke) + bool(institution) + admin + metrics > 1:
        raise DataError("name an institution, or take one of --admin, --metrics and --revoke")
    if revoke:
        revoke_key(library, revoke)
    elif institution or admin or metrics:
        make_key(library, institution or None, ["metrics"] if metrics else scope or [], until)
    else:
        list_keys(library)


@app.command()
def serve(
    library: LibraryPath,
    model: Model = "offline",
    host: Annotated[str, typer.Option(help="Address to listen on; without a key it must be this machine's own.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    extract: Annotated[
        str, typer.Option(metavar="MODULE:CLASS", help="The Pydantic model that /extract fills in.")
    ] = "",
    chain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODULE:ATTRIBUTE",
            help="A further chain: a Runnable, or what makes one of a library and a model; may be given again.",
        ),
    ] = None,
    body_bytes: Annotated[int, typer.Option(min=1, help="Of one request.")] = 1_000_000,
    batch: Annotated[int, typer.Option(min=1, help="Inputs of one batch.")] = 100,
    requests: Annotated[int, typer.Option(min=1, help="Under way at once in a worker.")] = 64,
    requests_of_one: Annotated[int, typer.Option(min=1, help="Of one key, under way at once in a worker.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="For one request.")] = 60.0,
    certificate: Annotated[str, typer.Option(help="PEM file, to serve over HTTPS.")] = "",
    private_key: Annotated[str, typer.Option(help="PEM file of the certificate's key.")] = "",
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Put a library behind a URL: chains by LangServe's protocol, feedback, adaptation, metrics, a playground.

    Callers are known by the keys of `metachain key`, each of which asks for one institution alone. Without any key the
    server answers on this machine alone.
    """
    try:
        from metachain.chains.server import Limits
        from metachain.chains.service.running import Serving, run
    except ImportError as error:
        raise DataError(
            f"serving needs packages that are not installed ({error}): pip install 'metachain[serve]'"
        ) from None
    limits = Limits(
        body_bytes=body_bytes, batch=batch, requests=requests, requests_of_one=requests_of_one, seconds=seconds
    )
    run(
        Serving(
            library,
            model=model,
            host=host,
            port=port,
            workers=workers,
            instructions=instructions,
            extract=extract,
            chains=tuple(chain or ()),
            purpose=purpose,
            deidentify=deidentify,
            certificate=certificate,
            private_key=private_key,
            limits=limits,
        )
    )


@app.command()
def forget(
    library: LibraryPath,
    institution: Annotated[
        str | None, typer.Option(help="Forget all of an institution; with --demonstration, that one of it.")
    ] = None,
    demonstration: Annotated[str | None, typer.Option(metavar="ID", help="Forget a demonstration by its id.")] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="KEY", help="Forget the demonstrations whose metadata.patient is this.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="ID", help="Forget one recorded answer, with its query and correction.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the receipt here.")] = None,
) -> None:
    """Forget exactly: rows, vectors, answers and all that was learned from them, which is learned again without."""
    from metachain.console import out, print_receipt, working
    from metachain.files import check_writable, write_text
    from metachain.forgetting import forget as forget_exactly
    from metachain.library import Library

    if json_file:
        check_writable(json_file)
    with Library.open(library, create=False) as opened, working() as progress:
        receipt = forget_exactly(
            opened,
            institution=institution,
            demonstration=demonstration,
            patient=patient,
            answer=answer,
            progress=progress,
        )
    print_receipt(receipt)
    if json_file:
        out.print(f"receipt: {write_text(json.dumps(asdict(receipt), indent=1), json_file)}")


@app.command()
def evaluate(
    data: Annotated[
        str, typer.Argument(help='JSON Lines of {"institution", "input", "output"}; or a library, under its rules.')
    ],
    protocol: Annotated[
        str, typer.Option(help="Hold out one institution, or its whole group (metadata.group).")
    ] = "institution",
    labels: Annotated[str, typer.Option(help="Label counts, separated by commas.")] = DEFAULT_LABELS,
    seeds: Annotated[str, typer.Option(help="How many random supports, or their seeds separated by commas.")] = "3",
    shots: Annotated[int, typer.Option(min=1, help="How many demonstrations each selector shows.")] = 8,
    queries: Annotated[int, typer.Option(min=1, help="Queries an institution.")] = 100,
    selectors: Annotated[str, typer.Option(help="Selectors separated by commas; all where left out.")] = "",
    readers: Annotated[
        str, typer.Option(help="Offline readers separated by commas, the first for the main scores; or all.")
    ] = "vote",
    metric: Annotated[
        str | None,
        typer.Option(help="exact_match, label_f1, span_f1, rouge_l, token_f1; left out, what suits."),
    ] = None,
    past: Annotated[
        str, typer.Option(help="Learn from so many past institutions too: numbers separated by commas, and all.")
    ] = "all",
    ablate: Annotated[
        str, typer.Option(help="Leave out parts of the method, to see what each is worth: separated by commas; or all.")
    ] = "",
    per_institution: Annotated[bool, typer.Option("--per-institution", help="Print how each institution fares.")] = (
        False
    ),
    model: Annotated[
        str, typer.Option(help="Who answers: the offline reader, or a chat model such as ollama:llama3.")
    ] = "offline",
    calls: Annotated[
        int | None, typer.Option(min=0, help="The most calls of the model; left out, none, but told how many it takes.")
    ] = None,
    instructions: Annotated[str, typer.Option(help="A system message for the model.")] = "",
    max_concurrency: Annotated[int, typer.Option(min=1, help="Calls at the same time.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="Begin no more calls a second than this.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every score and the summary here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page here.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep embeddings, and a model's answers, in this file, not in the user's cache.")
    ] = None,
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Compare every selector on institutions that each play the new one."""
    from metachain import experiment
    from metachain.dask_workers import workers_at
    from metachain.plan import Plan

    plan = Plan(
        protocol,
        experiment.whole_numbers("--labels", labels, DEFAULT_LABELS),
        experiment.listed_seeds(seeds, DEFAULT_LABELS),
        shots,
        queries,
        readers=experiment.listed_readers(readers),
        past=experiment.listed_past(past),
        metric=metric,
        ablate=experiment.listed_parts(ablate),
    )
    if selectors:
        plan = replace(plan, selectors=experiment.listed_names(selectors))
    _check_targets(Path(data), json_file, report)
    with workers_at(dask) as workers:
        answering = None
        if model != "offline":
            from metachain.chains.answering import answering_with
            from metachain.evaluation import check_model_alone

            check_model_alone(plan, model)
            answering = answering_with(
                model,
                calls=calls,
                instructions=instructions,
                max_concurrency=max_concurrency,
                requests_per_second=requests_per_second,
                workers=workers,
            )
        experiment.run_experiment(
            data,
            plan,
            cache=cache,
            json_file=json_file,
            report=report,
            per_institution=per_institution,
            answering=answering,
            purpose=purpose,
            workers=workers,
        )


@app.command()
def label(
    library: LibraryPath,
    institution: Institution,
    unlabelled: Annotated[Path, typer.Argument(help='JSON Lines of {"input"}; other fields are ignored.')],
    budget: Annotated[int, typer.Option(min=0, help="How many inputs to suggest at most.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here as records to fill in.")] = None,
    purpose: Purpose = "",
) -> None:
    """Say which inputs an institution should label next, and why; one never adapted to is taken as without labels."""
    from metachain.advice import advise

    advise(library, institution, unlabelled, budget, json_file, purpose)


@app.command()
def diagnose(
    library: LibraryPath,
    seconds: Annotated[float, typer.Option(help="How long learning may take on this machine.")] = 600.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write conditions and verdict here.")] = None,
) -> None:
    """Say with numbers whether meta-learning pays for a library, and what to do where it doesn't."""
    from metachain.console import out, print_diagnosis, working
    from metachain.diagnosis import check_seconds
    from metachain.diagnosis import diagnose as measure
    from metachain.files import write_text
    from metachain.library import Library

    check_seconds(seconds)
    _check_targets(Path(library), json_file)
    with Library.open(library, create=False) as opened, working() as progress:
        found = measure(opened, seconds=seconds, progress=progress)
    print_diagnosis(found)
    if json_file:
        out.print(f"diagnosis: {write_text(json.dumps(asdict(found), indent=1), json_file)}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the library and the report are written.")] = Path(
        "metachain-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the generated world.")] = 0,
) -> None:
    """Show the main job on a generated, synthetic world: no network, no key, under two minutes."""
    from metachain.demo import run_demo

    run_demo(folder, seed)


def _check_targets(data: Path, *targets: Path | None) -> None:
    from metachain.files import check_writable

    taken = {data.resolve()}
    for target in filter(None, targets):
        check_writable(target)
        if target.resolve() in taken:
            raise DataError(f"{target} is given twice: the data, --json and --report must be different files")
        taken.add(target.resolve())
