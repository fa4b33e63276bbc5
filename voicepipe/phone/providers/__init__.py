"""The lower level of the engines, by provider."""
