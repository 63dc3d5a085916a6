"""Published figures that results are set beside: tables with their sources, and their readers."""
