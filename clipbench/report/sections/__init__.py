"""Sections of the page: a folder a section."""
