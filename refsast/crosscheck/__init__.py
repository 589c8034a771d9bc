"""Does another implementation agree? Whether, where and why its gradient is wrong.

Nothing here imports a framework: an implementer brings a callable, or files. `adapters` do, one
framework each, when they are asked for.
"""
