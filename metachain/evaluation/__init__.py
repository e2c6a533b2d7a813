"""Leave-one-institution-out comparison of selectors, and diagnosis of a library."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.evaluation.diagnosis import Diagnosis, diagnose
    from metachain.evaluation.leave_one_out import evaluate
    from metachain.evaluation.plan import Plan
    from metachain.evaluation.result import Evaluation
    from metachain.evaluation.summary import worth

__all__ = ["Diagnosis", "Evaluation", "Plan", "diagnose", "evaluate", "worth"]
_HOMES = {
    "Diagnosis": "diagnosis",
    "diagnose": "diagnosis",
    "Evaluation": "result",
    "evaluate": "leave_one_out",
    "Plan": "plan",
    "worth": "summary",
}
__getattr__ = lazily(__name__, _HOMES)
