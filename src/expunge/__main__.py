"""`python -m expunge`: the same as the `expunge` command."""

from expunge.cli.main import run

if __name__ == "__main__":
    run()
