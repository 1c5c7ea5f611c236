"""`python -m streams.cli` is `sluice`."""

from streams.cli import main

if __name__ == "__main__":
    main()
