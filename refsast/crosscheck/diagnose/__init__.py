"""The known faults: what is wrong in released libraries, and what users get wrong by hand.

`table` lists them; the other files hold one function each, by the place where it acts.

References: FIELD M1 to M6 and its list of questions.
"""
