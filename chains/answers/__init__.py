"""Answers as models write them: thoughts, wrappings, JSON and labels, and the one step that cleans them."""
