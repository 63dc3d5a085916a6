"""Models: the adapter protocol, the adapters and the catalog of names."""
