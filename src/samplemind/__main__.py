"""``python -m samplemind`` is the command ``samplemind``."""

import sys


def main() -> None:
    """Run the command line. An interrupt while it is still being imported ends it as quietly as a later one."""
    try:
        from samplemind.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
