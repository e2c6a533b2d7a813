"""``python -m metachain`` is the command line."""

from metachain.cli.app import main

if __name__ == "__main__":
    main()
