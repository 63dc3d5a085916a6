"""Names, numbers and definitions as a reader sees them."""
