"""Accuracy elsewhere against that on the benchmark."""
