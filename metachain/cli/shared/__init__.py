"""Parts that several commands share: options, output, tables, and the options of a chat model."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.cli.shared.alike import print_look_alikes, taken_along
    from metachain.cli.shared.chat_model import ModelOptions, answering_by_model, learn_policy
    from metachain.cli.shared.console import asking, one_line, out, short, working
    from metachain.cli.shared.tables import (
        print_changes,
        print_conflicts,
        print_diagnosis,
        print_evaluation,
        print_institutions,
        print_lesson,
        print_past_changes,
        print_receipt,
        print_selection,
        print_summary,
        print_verdict,
    )

__all__ = ["ModelOptions", "answering_by_model", "asking", "learn_policy", "one_line", "out", "print_changes"]
__all__ += ["print_conflicts", "print_diagnosis", "print_evaluation", "print_institutions", "print_lesson"]
__all__ += ["print_past_changes", "print_receipt", "print_selection", "print_summary", "print_verdict", "short"]
__all__ += ["print_look_alikes", "taken_along", "working"]
__getattr__, __dir__ = lazily(
    __name__,
    alike="print_look_alikes taken_along",
    chat_model="ModelOptions answering_by_model learn_policy",
    console="asking one_line out short working",
    tables="print_changes print_conflicts print_diagnosis print_evaluation print_institutions print_lesson "
    "print_past_changes print_receipt print_selection print_summary print_verdict",
)
