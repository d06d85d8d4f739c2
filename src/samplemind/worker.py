"""``python -m samplemind.worker``: one of the processes among which a batch is shared out."""

from samplemind.workers.child import main

if __name__ == "__main__":
    main()
