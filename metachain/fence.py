"""JSON within an answer that may have words around it."""

__all__ = ["json_within"]

FENCE = "```"


def json_within(answer: str) -> str:
    """Find the JSON text in an answer: the lines within its fence where there is exactly one, else all of it.

    A fence is a line of its own, which no line within a JSON string can be, as line breaks are escaped there.
    """
    lines = answer.split("\n")
    fences = [place for place, line in enumerate(lines) if line.strip().lower() in (FENCE, f"{FENCE}json")]
    if len(fences) != 2 or lines[fences[1]].strip() != FENCE:
        return answer
    return "\n".join(lines[fences[0] + 1 : fences[1]])
