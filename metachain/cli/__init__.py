"""The ``metachain`` command line: one file a command.

Modules that need Rich, NumPy or LangChain are imported when one of their names is first used, so that help is quick.
"""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.cli.app import main
    from metachain.cli.shared import (
        ModelOptions,
        answering_by_model,
        asking,
        learn_policy,
        one_line,
        out,
        print_changes,
        print_conflicts,
        print_diagnosis,
        print_evaluation,
        print_institutions,
        print_lesson,
        print_look_alikes,
        print_past_changes,
        print_receipt,
        print_selection,
        print_summary,
        print_verdict,
        short,
        taken_along,
        working,
    )

__all__ = ["ModelOptions", "answering_by_model", "asking", "learn_policy", "main", "one_line", "out", "print_changes"]
__all__ += ["print_conflicts", "print_diagnosis", "print_evaluation", "print_institutions", "print_lesson"]
__all__ += ["print_look_alikes", "print_past_changes", "taken_along"]
__all__ += ["print_receipt", "print_selection", "print_summary", "print_verdict", "short", "working"]
__getattr__, __dir__ = lazily(
    __name__,
    app="main",
    shared="ModelOptions answering_by_model asking learn_policy one_line out print_changes print_conflicts "
    "print_diagnosis print_evaluation print_institutions print_lesson print_look_alikes "
    "print_past_changes print_receipt print_selection print_summary print_verdict short taken_along working",
)
