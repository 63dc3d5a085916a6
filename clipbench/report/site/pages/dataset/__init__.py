"""One data set and what models make of it."""
