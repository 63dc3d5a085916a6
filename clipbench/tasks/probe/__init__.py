"""Classifiers fitted on labelled features."""
