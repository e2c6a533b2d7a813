"""LangChain at the border."""
