"""The pages of a site: a folder each, with its module, template, and where it has them script and style."""
