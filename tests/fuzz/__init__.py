"""Random calls of every op, and damaged files: `python -m fuzz` (make fuzz), and a small part in test_fuzz.py.

draw.py has what strategies are made of, calls/<family>.py one strategy per public op, check.py says what must hold,
spoil.py turns good calls into bad ones, files.py damages files, worker.py runs it all and __main__.py watches.
"""
