"""Kinds of data sets: a module a kind."""
