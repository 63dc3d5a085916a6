"""The wording of prompts."""
