"""Executable theorems: every statement of THEORY checked, attacked and certified.

Start with `register.CLAIMS`, the one page of statements; ``python -m proofs_check`` checks them.
"""
