"""Labelled music that is rendered here: scores of many genres with exact truth, the same for the same seed.

    genre ─▶ piece in beats (composing) ─▶ item in seconds (forms, timelines) ─▶ sound (rendering) ─▶ files, labels.csv

Tones come from FluidSynth or our own synthesis (tones), drums from our own (drums) or General MIDI's kits. FluidSynth
plays a soundfont under the GPL, version 2 (Debian's timgm6mb-soundfont): nothing that is rendered is shipped.
"""

from benchmarks.synth.forms import FORMS, TASKS, item, items
from benchmarks.synth.rendering import render
from benchmarks.synth.scores import SAMPLE_RATE, Beat, Finish, Hit, Item, Note

__all__ = ["FORMS", "SAMPLE_RATE", "TASKS", "Beat", "Finish", "Hit", "Item", "Note", "item", "items", "render"]
