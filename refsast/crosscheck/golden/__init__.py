"""Golden vectors: questions with exact answers, as files that anybody can read.

``exchange`` writes the set, reads it, and judges somebody's answers; ``set`` is the committed one.
"""
