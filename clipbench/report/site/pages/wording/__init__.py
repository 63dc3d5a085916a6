"""How far results depend on the prompts."""
