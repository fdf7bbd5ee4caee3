"""Fifty kinds of messy input over clean fictional deliveries, each with the findings that it must give.

`make corpus` writes the files by program, takes each in, and lays what intake found beside what it should
have found. `files.py` is what a file says, `writing.py` puts it into a format, `clean.py` makes clean
deliveries, `kinds_*.py` spoil them, `judging.py` judges one case,
`planted.py` shows that the judge can fail.
"""
