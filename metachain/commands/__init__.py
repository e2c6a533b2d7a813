"""The commands of the command line: a function each, whose heavy imports wait inside it."""

__all__: list[str] = []
