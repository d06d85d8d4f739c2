"""What producers' names are understood to sound like."""

from __future__ import annotations

import pytest

from samplemind.library.names import named

# name | sound
SOUNDS = """
kick_01.wav | kick
BD01.wav | kick
Bass Drum 3.wav | kick
sd062.flac | snare
Snare Fill 120bpm.wav | snare
Hand-Clap.wav | clap
DXClap.wav | clap
RimShot.wav | rim
SideStick-Hardest.wav | rim
hi-hat-closed-2.ogg | hat
HiHats 01.wav | hat
HH [dist].wav | hat
Open Hat 2.wav | open hat
hihat_opened01.ogg | open hat
HatOpen.wav | open hat
OH.808.wav | open hat
Crash Cymbal.wav | crash
CYMBAL_050.wav | cymbal
Ride_02.wav | ride
tom_hi01.ogg | tom
Conga Slap.wav | conga
Cabasa-01.wav | shaker
Perc 12.wav | percussion
perc_loop_shaker.wav | shaker
PACK_128_drum_loop_full.wav | drum loop
DrumLoop 3.wav | drum loop
Kick Snare Loop.wav | drum loop
Drum_Loop_No_Kick.wav | drum loop
Synth Bass C.wav | bass
Sub_F#.wav | bass
808_F#.wav | 808
808 Bass.wav | 808
808 Kick.wav | kick
TR808 03.wav | -
808 Kit 03.wav | -
09.MC.808.wav | -
Piano Pad.wav | pad
Lead_Synth.wav | lead
Pluck 3.wav | pluck
Rhodes_Em.wav | keys
Keys_C.wav | keys
Key of C.wav | -
grand piano.wav | piano
oboe_E4_15_piano.mp3 | woodwind
FX Vocal Wet.wav | vocal
BGVOX.wav | -
Vox Chop.wav | vocal
Uplifter 8 bars.wav | riser
Impact_Deep.wav | impact
Atmosphere - Cool Blue.wav | ambience
Foley_Keys.wav | keys
Am Chords.wav | chord
Piano Chords.wav | piano
Arp_128.wav | arp
Sweep Down.wav | fx
String_Ensemble.wav | strings
Brass Stab.wav | brass
Oh Baby.wav | -
What.wav | -
Padding.wav | -
Custom.wav | -
"""


@pytest.mark.parametrize("row", SOUNDS.strip().splitlines())
def test_sound(row: str) -> None:
    name, sound = (cell.strip() for cell in row.split("|"))
    assert (named(name).sound or "-") == sound
