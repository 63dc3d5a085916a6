"""Suites: reading them, their schema, and writing one for two folders of images."""
