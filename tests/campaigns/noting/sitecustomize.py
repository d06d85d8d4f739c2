"""Has workers note in a file what they compute. Python imports it at its start if it is on the path."""

import os

import samplemind.pipeline

_entries = samplemind.pipeline._entries


def entries(digest, facts, known, level, seconds):  # type: ignore[no-untyped-def]
    if known.new:
        file = os.open(os.environ["NOTED_COMPUTATIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{facts.audio_digest} {level}\n".encode())
        os.close(file)
    return _entries(digest, facts, known, level, seconds)


samplemind.pipeline._entries = entries
