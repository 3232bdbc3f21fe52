"""The command `chimera`: one module a verb, thin over the packages below (CLI.md).

Nothing heavy is imported at the top of a module here: `chimera --help` builds the whole command
tree and must stay quick. Verbs import what they need when they run.
"""
