"""Figures that several sections draw."""
