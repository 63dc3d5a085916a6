"""How much a result moves with the wording of the prompts."""
