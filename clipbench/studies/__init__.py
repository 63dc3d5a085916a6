"""Studies: entries of a suite that are several jobs and an analysis over them."""
