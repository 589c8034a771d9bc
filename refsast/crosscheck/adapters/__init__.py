"""Other frameworks asked the same question: one file per framework, imported only when wanted.

Rule 1: a file imports its own framework at its top and none of the others; nothing else in
        `refsast` imports any of them.
Rule 2: each gives factories, ``factory(case) -> Implementation``, that build the framework's own
        network, and where users bring modules of their own, ``wrap`` and ``case_of``.
Rule 3: what a framework cannot express is `Unsupported`, never something close to it.
"""
