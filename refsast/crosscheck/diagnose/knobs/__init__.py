"""The whole computation by hand, with a knob on every place where a programmer can go wrong.

A cause is a sparse setting of knobs; `search.find_settings` finds the settings that give the same
numbers as an implementation.
"""
