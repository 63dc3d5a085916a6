"""Classification by text: zero-shot, and what every classification reports."""
