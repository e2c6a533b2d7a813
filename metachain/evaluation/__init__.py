"""Leave-one-institution-out comparison of selectors, and diagnosis of a library."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.evaluation.ablation import ABLATIONS
    from metachain.evaluation.diagnosis import Diagnosis, check_seconds, diagnose
    from metachain.evaluation.leave_one_out import check_comparable, evaluate
    from metachain.evaluation.plan import Plan
    from metachain.evaluation.readers import READERS
    from metachain.evaluation.result import Evaluation
    from metachain.evaluation.scorers import Answerer
    from metachain.evaluation.summary import worth

__all__ = [
    "ABLATIONS",
    "READERS",
    "Answerer",
    "Diagnosis",
    "Evaluation",
    "Plan",
    "check_comparable",
    "check_seconds",
    "diagnose",
    "evaluate",
    "worth",
]
_HOMES = {
    "ABLATIONS": "ablation",
    "Diagnosis": "diagnosis",
    "check_seconds": "diagnosis",
    "diagnose": "diagnosis",
    "check_comparable": "leave_one_out",
    "evaluate": "leave_one_out",
    "Plan": "plan",
    "READERS": "readers",
    "Evaluation": "result",
    "Answerer": "scorers",
    "worth": "summary",
}
__getattr__ = lazily(__name__, _HOMES)
