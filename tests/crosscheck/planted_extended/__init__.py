"""Faults planted into extended networks in PyTorch: are they detected, and is the cause true?

``python -m tests.crosscheck.planted_extended --networks 50 --out FOLDER``
"""
