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
__getattr__, __dir__ = lazily(
    __name__,
    diagnosis="Diagnosis diagnose",
    leave_one_out="evaluate",
    plan="Plan",
    result="Evaluation",
    summary="worth",
)
