"""A bare repository as we lay it out ourselves (gitrepository-layout)."""

CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
"""The text of its ``config``: no remote, and nothing that could be run."""
