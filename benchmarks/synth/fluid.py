"""General MIDI by the program ``fluidsynth`` and a soundfont of Debian's packages.

The soundfont, TimGM6mb of the package timgm6mb-soundfont, is under the GPL, version 2: what is rendered with it stays
where it is rendered, and no sample of it is shipped.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.synth.midi import midi_file
from benchmarks.synth.scores import SAMPLE_RATE, Hit, Note

SOUNDFONTS: Final = (Path("/usr/share/sounds/sf2/TimGM6mb.sf2"), Path("/usr/share/sounds/sf2/default-GM.sf2"))
LATENCY_S: Final = 0.0027
"""From an event's time to its sound: a buffer of 64 samples and the envelopes' delay; measured on the kit."""


@functools.cache
def soundfont() -> Path | None:
    """Where the soundfont is; None, and a word on standard error, if that or the program is not installed."""
    found = next((path for path in SOUNDFONTS if path.is_file()), None)
    if found is None or shutil.which("fluidsynth") is None:
        print(
            "synth: packages fluidsynth and timgm6mb-soundfont are missing; our own tones play instead", file=sys.stderr
        )
        return None
    return found


def rendered(
    notes: Sequence[Note],
    hits: Sequence[Hit],
    programs: Sequence[int],
    frames: int,
    *,
    kit: int = 0,
    cents: float = 0.0,
) -> NDArray[np.float32]:
    """Notes and strokes as sound, shape (frames, 2); what is in the score at 0 s sounds at 0 s.

    Raises:
        FileNotFoundError: there is no soundfont.
        subprocess.CalledProcessError: fluidsynth failed.
    """
    import soundfile

    font = soundfont()
    if font is None:
        raise FileNotFoundError(str(SOUNDFONTS[0]))
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(midi_file(notes, hits, programs, kit=kit, cents=cents))
        options = ["-ni", "-q", "-r", str(SAMPLE_RATE), "-g", "0.4", "-R", "0", "-C", "0", "-O", "float", "-T", "wav"]
        command = ["fluidsynth", *options, "-F", str(sound), str(font), str(score)]
        subprocess.run(command, check=True, capture_output=True)
        late = round(LATENCY_S * SAMPLE_RATE)
        samples, _ = soundfile.read(sound, frames=frames + late, dtype="float32", always_2d=True)
    samples = samples[late:]
    result = np.zeros((frames, 2), np.float32)
    result[: len(samples)] = samples
    return result
