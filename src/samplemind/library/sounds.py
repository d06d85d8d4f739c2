"""What producers call sounds, and how they spell it in names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from samplemind.library.words import parts

DRUMS: Final = {
    "kick": "kick, kik, kck, bd, bassdrum, bass drum, kickdrum, kick drum",
    "snare": "snare, snr, snear, sd, snaredrum, snare drum",
    "clap": "clap, clp, handclap, hand clap",
    "snap": "snap, fingersnap, finger snap",
    "rim": "rim, rimshot, rim shot, sidestick, side stick, cross stick, crossstick",
    "hat": "hat, hihat, hi hat, hh, chh, clhat, closedhat, closed hat, closed hihat, closed hi hat",
    "open hat": (
        "openhat, open hat, open hihat, open hi hat, openhihat, ohat, op hat, ophat, ohh, "
        "hat open, hihat open, hi hat open, hat opened, hihat opened, open hh, hh open"
    ),
    "cymbal": "cymbal, cym, cymb, splash",
    "crash": "crash, crash cymbal, crash cym",
    "ride": "ride, ride cymbal, ride cym",
    "tom": "tom, tomtom, tom tom, floortom",
    "shaker": "shaker, shkr, shk, maraca, cabasa, maracas",
    "tambourine": "tambourine, tamb, tamborine, tambo",
    "cowbell": "cowbell, cow bell",
    "clave": "clave, woodblock, wood block",
    "conga": "conga, bongo, djembe, tabla, darbuka, cajon",
    "percussion": "percussion, perc, prc",
    "drum loop": (
        "drumloop, drum loop, drum break, drumbreak, break, breakbeat, break beat, drumbeat, drum beat, toploop, "
        "top loop, tops, amen, full drums"
    ),
}
"""Spellings of drums, and of what is made of them; plurals with s go without saying."""
TONAL: Final = {
    "808": "808 bass, 808 sub",
    "bass": "bass, bassline, bass line, sub, subbass, reese, bass guitar, bassguitar, double bass, contrabass",
    "lead": "lead, ld",
    "pad": "pad",
    "pluck": "pluck, plk",
    "keys": "keys, rhodes, wurli, wurlitzer, clav, clavinet, epiano, e piano, electric piano",
    "piano": "piano, pno, grand piano",
    "organ": "organ, hammond",
    "bell": "bell, bells, glockenspiel, kalimba, celesta, music box",
    "mallet": "mallet, marimba, vibraphone, xylophone",
    "guitar": "guitar, gtr, guit, ukulele, banjo, mandolin, lead guitar, electric guitar, acoustic guitar",
    "strings": "string, strings, violin, viola, cello, orchestra",
    "brass": "brass, horn, trumpet, trombone, tuba",
    "woodwind": "woodwind, flute, clarinet, oboe, bassoon, contrabassoon, sax, saxophone, english horn, cor anglais",
    "vocal": "vocal, vox, voice, acapella, acappella, choir, adlib, ad lib, vocal chop, lead vocal, lead vox",
    "chord": "chord, chrd",
    "arp": "arp, arpeggio",
    "synth": "synth, syn, synthesizer",
    "melody": "melody, melodic",
}
"""Spellings of what has a pitch."""
EFFECTS: Final = {
    "fx": "fx, sfx, effect, sweep, whoosh, zap, laser, glitch, downlifter, downsweep, scratch",
    "riser": "riser, uplifter, upsweep, buildup, build up",
    "impact": "impact, braam, sub drop, subdrop, bass drop",
    "ambience": "ambience, ambient, ambiance, atmosphere, atmos, atmo, soundscape, texture, drone, field recording",
    "foley": "foley",
}
"""Spellings of all else."""

_RANKS: Final = {
    "piano": 1,
    **dict.fromkeys(("drum loop", "percussion", "cymbal", "chord", "arp", "synth", "melody", "fx", "ambience"), 2),
}
"""What a name says beside something narrower (0): in "synth bass", "piano chords" and "vocal fx" the other word counts.
Piano is also how softly another instrument was played."""
_CODES: Final = {"oh": "open hat", "ch": "hat", "sn": "snare", "rs": "rim", "cb": "cowbell", "rd": "ride"}
"""Pads of drum machines. They are syllables of other things too, and so count only in a name that says nothing else."""
_LOOPS: Final = {"loop", "loops", "groove", "beat", "fill"}
_WITHOUT: Final = {"no", "without", "minus"}
_KIT: Final = {"kit", "drum", "machine", "roland", "tr", "style", "type"}
"""Beside 808, these mean the machine and not its bass."""

_SPELLED: Final = {
    tuple(spelling.split()): sound
    for table in (DRUMS, TONAL, EFFECTS)
    for sound, spellings in table.items()
    for spelling in spellings.split(", ")
}
_LONGEST: Final = max(map(len, _SPELLED))


def sound_of(text: str) -> str | None:
    """What the name of one file or folder says it sounds like, in the words of the tables above, or None.

    The last of several counts, as in "guitar pluck", and a narrow one before a general one. A loop of several drums is
    a drum loop.
    """
    spelled = parts(text)
    found = list(_sounds(spelled))
    drums = {sound for sound in found if sound in DRUMS and sound not in _RANKS}
    if len(drums) > 1 and not _LOOPS.isdisjoint(spelled):
        return "drum loop"
    if found:
        return min(reversed(found), key=lambda sound: _RANKS.get(sound, 0))
    letters = [part for part in spelled if not part.isdecimal()]
    if len(letters) == 1 and letters[0] in _CODES:
        return _CODES[letters[0]]
    return "808" if _is_bass_808(spelled) else None


def _sounds(spelled: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(spelled):
        for length in range(_LONGEST, 0, -1):
            piece = tuple(spelled[at : at + length])
            sound = _SPELLED.get(piece) or _SPELLED.get((*piece[:-1], piece[-1].removesuffix("s")))
            if sound is not None:
                if at == 0 or spelled[at - 1] not in _WITHOUT:
                    yield sound
                at += len(piece)
                break
        else:
            at += 1


def _is_bass_808(spelled: Sequence[str]) -> bool:
    if "808" not in spelled:
        return False
    at = spelled.index("808")
    before, after = spelled[max(at - 1, 0) : at], spelled[at + 1 : at + 2]
    is_pad = any(len(part) == 2 and not part.isdecimal() for part in before)  # 09.MC.808
    return not is_pad and not any(part.removesuffix("s") in _KIT for part in (*before, *after))
