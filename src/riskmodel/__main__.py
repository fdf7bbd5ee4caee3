"""`python -m riskmodel`: the command line."""

from riskmodel.cli import app

if __name__ == "__main__":  # worker processes import this module too
    app(prog_name="riskmodel")
