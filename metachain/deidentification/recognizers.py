"""Our recognisers as a Presidio analyzer without a language model and without network access."""

from functools import cache
from typing import Any

import regex
from presidio_analyzer import (
    AnalyzerEngine,
    LocalRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    IpRecognizer,
    MacAddressRecognizer,
    UsMbiRecognizer,
)

from metachain.deidentification.patterns import CASED, CASELESS
from metachain.deidentification.person_names import names

__all__ = ["NameRecognizer", "analyzer"]

LANGUAGE = "en"
SCORES = {"FAX_NUMBER": 0.95, "LOCATION": 0.75, "PHONE_NUMBER": 0.8}
THRESHOLD = 0.3


class NameRecognizer(LocalRecognizer):  # type: ignore[misc]
    """Names of people, found by ``metachain.deidentification.person_names``."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["PERSON"], supported_language=LANGUAGE, name="NameRecognizer")

    def load(self) -> None:
        """Do nothing: there is no model to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
        """Names in a text, as Presidio's results."""
        return [RecognizerResult("PERSON", start, end, score) for start, end, score in names(text)]


@cache
def analyzer() -> Any:
    """A Presidio ``AnalyzerEngine`` with our recognisers and Presidio's own that need neither model nor network.

    It is made once: recognisers added to its ``registry`` are used by every gate that has no analyzer of its own.
    """
    recognisers = [NameRecognizer(), *(_recogniser(kind, patterns) for kind, patterns in CASELESS.items())]
    recognisers += [_recogniser(kind, patterns, regex.MULTILINE) for kind, patterns in CASED.items()]
    recognisers += [
        IpRecognizer(),
        CreditCardRecognizer(supported_entity="ACCOUNT_NUMBER"),
        MacAddressRecognizer(supported_entity="DEVICE_ID"),
        UsMbiRecognizer(supported_entity="HEALTH_PLAN_NUMBER"),
    ]
    engine = NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": "none"}])
    engine.load()
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers, supported_languages=[LANGUAGE]),
        nlp_engine=engine,
        supported_languages=[LANGUAGE],
        default_score_threshold=THRESHOLD,
    )


def _recogniser(kind: str, patterns: tuple[str, ...], flags: int = regex.MULTILINE | regex.IGNORECASE) -> Any:
    score = SCORES.get(kind, 0.85)
    parts = [Pattern(f"{kind} {number}", pattern, score) for number, pattern in enumerate(patterns, start=1)]
    return PatternRecognizer(kind, patterns=parts, name=f"{kind} recogniser", global_regex_flags=flags)
