"""Metrics: plain functions of arrays."""
