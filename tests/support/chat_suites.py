"""Facts about chat models that LangChain's standard suites need."""

__all__ = ["WithoutTools"]


class WithoutTools:
    """A model that calls no tools and knows no schemas of objects."""

    @property
    def has_tool_calling(self) -> bool:
        """Tools are not called."""
        return False

    @property
    def has_structured_output(self) -> bool:
        """The suites ask for objects."""
        return False
