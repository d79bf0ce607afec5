"""
Fuzzing of what reads untrusted bytes: the reader of cassettes and that of streams.

``python -m fuzz`` lets atheris look for inputs that reach new lines of the code.
The tests call the same checks with mutants made by chance, for which they need
nothing but Python.
"""
