"""Data sets: the adapter classes and the adapters for the field's layouts."""
