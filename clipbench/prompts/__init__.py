"""Prompt sets: what their files may say, and the strings that they make of class names."""
