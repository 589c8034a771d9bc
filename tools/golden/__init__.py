"""The generator of the golden set: ``python -m tools.golden FOLDER`` writes it anew.

``questions`` draws the networks, ``answers`` computes in the arithmetic of ``digits``, and
``write`` puts the numbers, and the formulas of ``equations``, into files.
`refsast.crosscheck.golden` reads them and compares.
"""
