"""Uses of every public name, for the type checker alone: ``mypy --strict`` must agree with each ``assert_type``.

Nothing here is run. ``tests/system/test_typing.py`` checks it, and that no public name is missing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import BaseExampleSelector, SemanticSimilarityExampleSelector
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, BaseToolkit
from langchain_core.vectorstores import VectorStore
from numpy import float32, float64
from numpy.typing import NDArray
from pydantic import BaseModel

import metachain
import metachain.cli
from metachain import chains, data, deidentification, embedding, evaluation, learning, reporting, retrievers, scoring
from metachain import library as libraries
from metachain import selection as selections

Vectors = NDArray[float32]


class Visit(BaseModel):
    """A form that answers are read into."""

    code: str


def use_the_root(path: Path) -> None:
    """From a file of demonstrations to a selection."""
    past = metachain.read_demonstrations(path)
    assert_type(past, list[metachain.Demonstration])
    north = metachain.Grant(metachain.Audience("group", ("north",)))
    assert_type(metachain.EVERYONE, metachain.Grant)
    with metachain.Library.open("hospitals.db") as library:
        assert_type(library, metachain.Library)
        library.add(past, share=metachain.EVERYONE)
        library.sharing.state("mercy", north)
        prior = metachain.learn(library)
        assert_type(prior, metachain.Prior)
        posterior = metachain.adapt(prior, library, "st-marys")
        assert_type(posterior, metachain.Posterior)
        selection = metachain.Selector(library, posterior, k=4).select("chest x-ray")
        assert_type(selection, metachain.Selection)
        assert_type(selection.demonstrations, tuple[metachain.Demonstration, ...])
        suggestions = metachain.suggest_labels(library, posterior, ["chest x-ray"], 1)
        assert_type(suggestions, tuple[metachain.Suggestion, ...])
        assert_type(metachain.diagnose(library), metachain.Diagnosis)


def use_data(path: Path) -> None:
    """Files of demonstrations, inputs and answers; the synthetic generator."""
    assert_type(data.read_demonstrations(path, "mercy"), list[data.Demonstration])
    found = data.Findings()
    assert_type(data.read_demonstrations(path, found=found, sheet="1", where=["type=RC"]), list[data.Demonstration])
    assert_type(found.notes(), list[str])
    assert_type(data.Reading(header_line=3).header_line, int)
    assert_type(data.read_inputs(path), list[str])
    assert_type(data.read_answers(path), list[str])
    assert_type(data.named_columns(["input=description"]), dict[str, str])
    world = data.generate_world(data.WorldSettings(seed=1))
    assert_type(world, tuple[data.Demonstration, ...])
    assert_type(world[0].patient, str | None)


def use_embedding(texts: Sequence[str]) -> None:
    """Encoders, and the vectors of hybrid similarity."""
    encoders: list[embedding.Encoder] = [embedding.MiniLM(), embedding.SentenceTransformerEncoder("model")]
    dense = encoders[0].encode(texts)
    assert_type(dense, Vectors)
    assert_type(encoders[0].fingerprint, str)
    assert_type(embedding.hybrid_vectors(dense, embedding.lexical_vectors(texts)), Vectors)
    assert_type(embedding.text_sha256(embedding.normalise_text(texts[0])), str)


def use_deidentification(demonstration: metachain.Demonstration) -> None:
    """A gate by its action."""
    gate = deidentification.gate_named("redact")
    assert_type(gate, deidentification.Gate | None)
    assert_type(deidentification.Gate("flag").passed(demonstration), metachain.Demonstration)


def use_scoring(outputs: Sequence[str]) -> None:
    """Metrics, and the offline reader."""
    assert_type(scoring.METRICS, Mapping[str, scoring.Metric])
    metric: scoring.Metric = scoring.metric_named(scoring.suited_metric(outputs))
    assert_type(metric("LOW", "HIGH"), float)
    assert_type(scoring.exact_match("LOW", "LOW"), float)
    assert_type(scoring.json_schema(Visit)("{}", ""), float)
    assert_type(scoring.are_texts(outputs), bool)
    assert_type(scoring.answer("knee", [("knee", "450")]), str)


def use_library(library: libraries.Library) -> None:
    """Sharing rules, outcomes and files of any size."""
    assert_type(libraries.NOBODY, libraries.Grant)
    library.sharing.state("mercy", libraries.EVERYONE, libraries.Grant(libraries.Audience.read("group:north")))
    assert_type(library.counts(), dict[str, int])
    metachain.Library.open("hospitals.db", connections=libraries.Connections(most=4, timeout=5.0))
    assert_type(library.record_feedback("id", 1.0), libraries.Outcome)
    libraries.ingest_file(library, "past.csv", columns={"input": "description"})
    libraries.embed_stored(library, library.institutions())
    rows = libraries.file_rows("past.csv", institution="mercy")
    assert_type(libraries.ingest(library, rows), libraries.Ingested)
    assert_type(list(library.audit.entries()), list[libraries.AuditEntry])
    assert_type(list(library.audit.events()), list[libraries.Event])
    assert_type(library.audit.verify(libraries.Head()).head, libraries.Head)
    with libraries.called_by(libraries.Caller(actor="a nurse")):
        assert_type(libraries.records_sha256([("mercy", "id", "input", "output")]), str)
    assert_type(libraries.cached_vectors(["knee"], None), Vectors)
    assert_type(library.look_alikes(), libraries.LookAlikes)
    assert_type(libraries.is_library("hospitals.db"), bool)
    assert_type(libraries.without_password("postgresql://host/db"), str)


def use_learning(library: metachain.Library, outcomes: Sequence[libraries.Outcome]) -> None:
    """Learning, its artifacts, statistics without text, unlearning."""
    statistics = learning.statistics_of(library, "mercy", ["north", "south", "east"])
    assert_type(statistics, learning.Contribution)
    assert_type(learning.read_contribution("mercy.json"), learning.Contribution)
    prior = learning.learned_from(library, ["north", "south", "east"], statistics=[statistics])
    assert_type(prior, learning.Prior)
    assert_type(learning.learn(library, "st-marys", minimum=3), learning.Prior)
    learning.save_prior(library, prior)
    assert_type(learning.LABELS, tuple[int, int, int])
    assert_type(learning.NEAREST, None)
    assert len(learning.mean_scores([prior.lesson.scores[0]])) == len(learning.ARMS)
    assert_type(learning.load_prior(library), learning.Prior)
    posterior = learning.adapt(prior, library, "st-marys")
    learning.save_posterior(library, posterior)
    assert_type(learning.load_posterior(library, "st-marys"), learning.Posterior)
    suggested: Sequence[learning.Suggestion] = learning.suggest_labels(library, posterior, ["knee"], 1)
    assert_type(suggested[0].gain, float)
    changed: tuple[learning.Change, ...] = posterior.changes
    assert_type(learning.describe_change(changed[0]), str)
    assert_type(learning.conflicts(library, "st-marys"), tuple[learning.Conflict, ...])
    assert_type(len(learning.scored_answers(outcomes, ["knee"], None)), int)
    assert_type(learning.forget(library, institution="mercy"), learning.Receipt)
    assert_type(learning.rename(library, "label", "250", "0250"), learning.Renamed)


def use_selection(library: metachain.Library, posterior: metachain.Posterior) -> None:
    """Policies, and the reasons of a selection."""
    learned = selections.read_policy(library, "ollama:llama3")
    assert_type(learned, selections.LearnedPolicy)
    selections.save_policy(library, learned)
    policy = selections.load_policy(library, "ollama:llama3")
    assert_type(policy, selections.Policy)
    found = selections.Selector(library, posterior, policy=policy).select_many(["knee", "hip"])
    assert_type(found, list[selections.Selection])
    assert_type(found[0].chosen, tuple[selections.Chosen, ...])
    assert_type(found[0].chosen[0].reason, str)
    answers = found[0].answers
    assert_type(answers, tuple[selections.AnswerProbability, ...])
    log_p = selections.log_posterior(["LOW", "HIGH"], answers)
    assert_type(selections.Fusion(model=0.5).probabilities(log_p, log_p), NDArray[float64])
    trial = selections.FusionTrial(("LOW", "HIGH"), (-0.1, -2.4), (-0.7, -0.7), "LOW")
    fusion = selections.learn_fusion([trial], [selections.WordTrial(answers, "LOW", "HIGH")])
    selections.save_fusion(library, "local", fusion)
    assert_type(selections.load_fusion(library, "local"), selections.Fusion)


def use_evaluation(library: metachain.Library, world: Sequence[metachain.Demonstration], dense: Vectors) -> None:
    """An evaluation and its report; a diagnosis."""
    result = evaluation.evaluate(world, dense, evaluation.Plan(labels=(0, 4), seeds=(0,)))
    assert_type(result, evaluation.Evaluation)
    evaluation.check_comparable(world, evaluation.Plan())
    evaluation.check_seconds(10.0)
    assert {*evaluation.ABLATIONS, *evaluation.READERS}
    answerers: list[evaluation.Answerer] = []
    assert_type([one.name for one in answerers], list[str])
    assert_type(reporting.write_report(result, "report.html"), Path)
    assert_type(evaluation.worth([], {}), list[dict[str, Any]])
    assert_type(evaluation.diagnose(library, seconds=10.0), evaluation.Diagnosis)
    assert_type(metachain.cli.main(), None)


def use_retrievers(library: metachain.Library, posterior: metachain.Posterior, store: VectorStore) -> None:
    """Every adapter is what LangChain calls it."""
    selector = retrievers.MetaExampleSelector(library, posterior, k=4)
    selectors: list[BaseExampleSelector] = [selector, retrievers.LibraryExampleSelector(library)]
    assert_type(selector.explain("knee"), metachain.Selection)
    assert_type(selector.select_examples({"input": "knee"}), list[dict[str, Any]])
    retriever: BaseRetriever = retrievers.DemonstrationRetriever(
        selector=metachain.Selector(library, posterior), k=len(selectors)
    )
    assert_type(retriever.invoke("knee"), list[Document])
    embeddings: Embeddings = retrievers.EncoderEmbeddings()
    encoder: embedding.Encoder = retrievers.LangChainEncoder(embeddings, "my-model")
    assert_type(encoder.encode(["knee"]), Vectors)
    own = retrievers.DemonstrationVectorStore(embeddings)
    as_langchain: VectorStore = own
    assert_type(as_langchain.similarity_search("knee"), list[Document])
    assert_type(retrievers.DemonstrationVectorStore.load("folder", embeddings), retrievers.DemonstrationVectorStore)
    past = retrievers.demonstrations_from_faiss(store)
    assert_type(past, list[metachain.Demonstration])
    retrievers.ingest_documents(library, retrievers.documents_of_faiss(store))
    assert_type(retrievers.document_of(past[0]), Document)
    found = retrievers.StoredDemonstrations(store).nearest("knee", ["mercy"])
    assert_type(found, dict[str, tuple[metachain.Demonstration, ...]])
    assert_type(retrievers.semantic_example_selector(past, embeddings), SemanticSimilarityExampleSelector)


def use_chains(library: metachain.Library, prior: metachain.Prior, selector: BaseExampleSelector) -> None:
    """Every chain is a Runnable of its answer's type, and every model a chat model."""
    model = chains.load_model("offline")
    assert_type(model, BaseChatModel)
    offline: BaseChatModel = chains.OfflineChatModel()
    local: chains.ScoresLabels = chains.LocalChatModel(threads=1)
    assert_type(local.label_log_probabilities([[HumanMessage("knee")]], [["LOW"]]), list[NDArray[float64]])
    few_shot = chains.few_shot_chain(offline, selector)
    assert_type(few_shot, Runnable[dict[str, Any], str])
    assert_type(chains.few_shot_prompt(selector), Runnable[dict[str, Any], PromptValue])
    assert_type(chains.summarization_chain("offline", selector), Runnable[dict[str, Any], str])
    classify = chains.classification_chain(model, selector, ["LOW", "HIGH"])
    assert_type(classify, Runnable[dict[str, Any], chains.Classification])
    assert_type(classify.invoke({"input": "knee"}).label, str | None)
    cleaning = chains.Cleaning(off=frozenset({"json_field"}))
    assert_type(cleaning.cleaned("Answer: LOW", ["LOW", "HIGH"]), chains.Cleaned)
    assert_type(chains.few_shot_chain(offline, selector, clean=cleaning), Runnable[dict[str, Any], str])
    scored = chains.classification_chain("local", selector, scoring=True, fusion=selections.Fusion())
    assert_type(scored.invoke({"input": "knee"}).probability, float | None)
    assert_type(chains.extraction_chain(model, selector, Visit), Runnable[dict[str, Any], Visit])
    assert_type(chains.recorded(few_shot, library), Runnable[dict[str, Any], str])
    few_shot.invoke({"input": "knee"}, {"callbacks": [chains.FeedbackRecorder(library)]})
    chains.DemonstrationMiddleware(library, k=4)
    toolkit: BaseToolkit = chains.MetaChainToolkit(library=library, institutions=("mercy",))
    assert_type(toolkit.get_tools(), list[BaseTool])
    budget = chains.CallBudget(calls=100, money=1.0, prices=chains.Prices(3.0, 15.0))
    with chains.ModelCaller(model, budget=budget) as caller:
        assert_type(caller.answers([]), list[chains.Answer | None])
        assert_type(caller.spent, chains.Usage)
        judge: scoring.Metric = chains.Judge(caller)
        collected = chains.collect(
            library, prior, caller, model="offline", metric=judge, metric_name="judge", calls=budget.calls or 0
        )
        assert_type(collected, chains.Collected)
        fused = chains.collect_fusion(library, prior, caller, model="local", questions=100, scorer=local)
        assert_type(fused, selections.Fusion)
    assert_type(chains.openevals_metric(print), scoring.Metric)
