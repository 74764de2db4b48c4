"""``python -m framework`` is the command line."""

from framework.ops.cli import main

if __name__ == "__main__":
    main()
