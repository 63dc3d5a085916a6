"""Analyses: pure functions of finished records of one or many jobs."""
