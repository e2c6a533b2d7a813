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

__all__ = ["ABLATIONS", "READERS", "Answerer", "Diagnosis", "Evaluation", "Plan", "check_comparable", "check_seconds"]
__all__ += ["diagnose", "evaluate", "worth"]
__getattr__, __dir__ = lazily(
    __name__,
    ablation="ABLATIONS",
    diagnosis="Diagnosis check_seconds diagnose",
    leave_one_out="check_comparable evaluate",
    plan="Plan",
    readers="READERS",
    result="Evaluation",
    scorers="Answerer",
    summary="worth",
)
