"""``python -m samplemind`` is the command ``samplemind``."""

from samplemind.cli import main

if __name__ == "__main__":
    main()
