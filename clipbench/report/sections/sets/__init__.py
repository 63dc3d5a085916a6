"""The data sets, drawn."""
