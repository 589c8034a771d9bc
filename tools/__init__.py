"""Tools of the repository, run from a checkout; no part of the installed package."""
