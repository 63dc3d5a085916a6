"""YAML files with positions, what is wrong with them, and the files that come with the package."""
