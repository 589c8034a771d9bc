"""One module per section of THEORY, named by what it says; its docstring holds the proofs."""
