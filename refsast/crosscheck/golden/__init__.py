"""Golden vectors: questions with exact answers, as files that anybody can read.

``set`` is the one that ships; ``reader`` reads it; ``comparison`` compares answers with it.
"""
