"""A service of samplemind from Python: ``pip install 'samplemind[client]'``.

    with Client("http://127.0.0.1:8000", key="sm_…") as client:
        print(client.analyze("loop.wav").tempo_bpm)
        for audio in client.search("tempo:120..125 kind:loop"):
            print(audio.name)

`AsyncClient` does the same for programs with an event loop. Both are typed, repeat what can be repeated safely, and
raise `ServiceError`, `ServiceUnreachableError` and, for audio without an answer, the `AnalysisError` that it would be
on this machine.
"""

from __future__ import annotations

from samplemind.client.asynchronous import AsyncClient
from samplemind.client.blocking import Client
from samplemind.client.values import Audio, Collection, Identity, Job, Peaks, Place, Sound, Tag

__all__ = ["AsyncClient", "Audio", "Client", "Collection", "Identity", "Job", "Peaks", "Place", "Sound", "Tag"]
