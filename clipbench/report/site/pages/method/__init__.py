"""How numbers are made, and how to cite them."""
