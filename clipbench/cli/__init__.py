"""The command line: a module a command group; nothing else parses arguments."""
