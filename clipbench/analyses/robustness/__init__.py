"""Benchmark against reality."""
