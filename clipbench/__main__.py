"""`python -m clipbench`."""

from clipbench.cli.main import main

if __name__ == "__main__":
    main()
