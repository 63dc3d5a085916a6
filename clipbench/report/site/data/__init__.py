"""What the pages of a site read: the board, tidy tables and the evidence of each number."""
