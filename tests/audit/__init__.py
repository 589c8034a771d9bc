"""The public audit: released libraries on fixed cases, judged by `rs.check`.

Rule 1: nobody tells the check what is wrong with a mode; causes on the page are what it found.
Rule 2: a library that is not installed is a line on the page, never an error.
"""
