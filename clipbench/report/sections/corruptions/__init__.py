"""Accuracy under corruptions."""
