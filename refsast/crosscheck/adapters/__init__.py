"""Other frameworks asked the same question: one file per framework, imported only when wanted.

Rule 1: a framework's file imports it at its top and none of the others; nothing else in `refsast`
        imports any of them. ``convention``, ``conversion``, ``libraries``, ``equations``,
        ``parameter_map`` and ``nir_*`` import no framework at all.
Rule 2: a factory, ``factory(case, ...) -> Implementation``, builds the framework's own network. Of
        the case only network, synapse and hard matter; ``dtype`` is what to compute in. Where users
        bring modules of their own there are ``wrap`` and ``case_of``, too.
Rule 3: what a framework cannot express is `Unsupported`, never something close to it.
"""
