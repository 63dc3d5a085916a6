"""Records, and the folder that keeps them."""
