"""The ``metachain`` command line: one file a command.

Modules that need Rich, NumPy or LangChain are imported when one of their names is first used, so that help is quick.
"""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.cli.app import main
    from metachain.cli.chat_model import ModelOptions, answering_by_model, learn_policy
    from metachain.cli.console import asking, one_line, out, short, working
    from metachain.cli.tables import (
        print_diagnosis,
        print_evaluation,
        print_institutions,
        print_lesson,
        print_receipt,
        print_selection,
        print_summary,
        print_verdict,
    )

__all__ = [
    "ModelOptions",
    "answering_by_model",
    "asking",
    "learn_policy",
    "main",
    "one_line",
    "out",
    "print_diagnosis",
    "print_evaluation",
    "print_institutions",
    "print_lesson",
    "print_receipt",
    "print_selection",
    "print_summary",
    "print_verdict",
    "short",
    "working",
]
_HOMES = {
    "main": "app",
    "ModelOptions": "chat_model",
    "answering_by_model": "chat_model",
    "learn_policy": "chat_model",
    "asking": "console",
    "one_line": "console",
    "out": "console",
    "short": "console",
    "working": "console",
    "print_diagnosis": "tables",
    "print_evaluation": "tables",
    "print_institutions": "tables",
    "print_lesson": "tables",
    "print_receipt": "tables",
    "print_selection": "tables",
    "print_summary": "tables",
    "print_verdict": "tables",
}
__getattr__ = lazily(__name__, _HOMES)
