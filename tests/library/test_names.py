"""What is read from names: tables of names as sample packs, drum machines and disc jockeys write them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from samplemind.library.keys import parse_key
from samplemind.library.names import Named, named

# name | tempo | key
CLAIMS = """
PACK_128_drum_loop_full_Am.wav | 128 | A minor
KSHMR_Kick_01_Am.wav | - | A minor
CPA_128_Em_Lead.wav | 128 | E minor
Ab_120_synth.wav | 120 | G# major
128_Am.wav | 128 | A minor
loop_128_Cmin.wav | 128 | C minor
OS_NC_128_Bmin_Synth.wav | 128 | B minor
RARE_80_melody_loop_moody_A#.wav | 80 | A# major
KSHMR_Lead_Loop_01_128_C.wav | 128 | C major
Cymatics - Melody Loop 7 - 140 BPM D Min.wav | 140 | D minor
ZEN_TRP_140_808_loop_Gm.wav | 140 | G minor
X_85_Loop_Dm_Vinyl_02.wav | 85 | D minor
128Am_Lead.wav | 128 | A minor
Song - 120 - Am - Final.wav | 120 | A minor
TL_GUITAR_95_F#min_03.aif | 95 | F# minor
Vox_Chop_140_Ebm_Wet.wav | 140 | D# minor
FSS_100_Bbmaj_keys.flac | 100 | A# major
piano loop 90bpm C#m.wav | 90 | C# minor
90BPM_Gmaj_Strings.wav | 90 | G major
Bass F# minor 128.wav | 128 | F# minor
synth_arp_126bpm_E.wav | 126 | E major
CPA_128_E_Lead.wav | 128 | E major
Loop_Key_C_100bpm.wav | 100 | C major
Vocal A 120bpm.wav | 120 | A major
120bpm_am.wav | 120 | A minor
loop_120_am.wav | 120 | A minor
Trap 140 bpm (F Minor).mp3 | 140 | F minor
[Am] Dusty Rhodes [92 BPM].wav | 92 | A minor
Deep_House_122_Abmin_Chords.wav | 122 | G# minor
DnB_174_Reese_Loop_F.wav | 174 | -
8A - 128 - Artist - Title.mp3 | 128 | A minor
08A - 128 - Artist - Title.mp3 | 128 | A minor
Artist - Title (8A) 128.wav | 128 | A minor
Artist - Title - 12B - 174.flac | 174 | E major
Daft Punk - Around The World - 121 - 7A.mp3 | 121 | D minor
77_Ebm_VoxSample_SP_01.wav | 77 | D# minor
Symphony No. 5 in C Minor, Op. 67.flac | - | C minor
"Rain" 140bpm D#m.wav | 140 | D# minor
Bass - 90 - C.wav | 90 | C major
Artist - Title 5A 126bpm.mp3 | 126 | C minor
"""

TEMPI = """
90 bpm.wav | 90
bpm90.wav | 90
BPM_128.wav | 128
140BPM.wav | 140
174.5bpm.wav | 174.5
174,5 BPM.wav | 174.5
Break 085bpm.wav | 85
909beat01 - 122 BPM.ogg | 122
amenbreak_bpm136.wav | 136
808kick120bpm.mp3 | 120
Drums - Saucebox - 130 BPM.wav | 130
100 Bpm Loop 1.wav | 100
bpm=133 groove.wav | 133
Tempo 112 guitar.wav | 112
Loop_64_90bpm_A.wav | 90
120bpm_64.wav | 120
909 120bpm loop.wav | 120
FM_Bass_120bpm.wav | 120
Drum Loop 120 BPM 01.wav | 120
Jungle_300bpm.wav | 300
BHE_126_Drum_Loop_01.wav | 126
126_tribal_loop.wav | 126
acid bass ksynth 126 loop.wav | 126
140 dubstep loop 2.wav | 140
170 Break - Think.wav | 170
cw_amen12_137.wav | 137
Loop_120_02.wav | 120
DrumLoop_95_03_Dry.wav | 95
SK_174_TopLoop_Shuffle.wav | 174
HipHop_88_Beat_Dusty.wav | 88
FM 120 Bass loop.wav | 120
Drum_Loop_120_B.wav | -
"""

NO_TEMPO = """
kick_01.wav
kick 99.wav
808.wav
TR909.wav
TR-909 Kick.wav
808_Kick_Am.wav
909_loop.wav
707 Loop Hard.wav
Roland 606 Am.wav
303 Acid Am.wav
Bass_101_Am.wav
SH-101_Bass_Am.wav
SH 101 Loop Wet.wav
Juno 106 Pad Am.wav
Juno-60_Am_Pad.wav
MPC 60 Loop Dusty.wav
CR 78 Loop Dry.wav
DR-110 Beat Dry.wav
Song_44100.wav
loop_24bit_44100.wav
loop 44.1 khz.wav
Loop_24_96.wav
Loop 96 kHz master.wav
break 192 kbps rip.mp3
Hum 60 Hz loop.wav
Delay 120 ms loop.wav
loop of 64 bars.wav
Mix 2019.wav
Mix 2019 Am.wav
Vol 120 Loop Am.wav
Vol. 64 - drum loop.wav
Track 99 Am.mp3
Take 120 Cm.wav
No 128 loop hard.wav
#128 loop.wav
Loop #128 hard.wav
Drum Loop 128.wav
Loop 75.wav
Loop_075_dry.wav
112 - Drum Loop.wav
100 Drum Loops.zip.wav
story-124.wav
91Apat99999.wav
LM120_Am.wav
Snare_100_Am.wav
Kick_100_A.wav
Bass One Shot 64 Am.wav
Synth Hit 120 Cm.wav
Synth 75% loop wet.wav
Pack - Dusty Bass 64 - C.wav
Pack - Lofi Lead 112 - F#m.wav
Blink 182 - Am.wav
80s Synth Loop.wav
kick-130.wav
Piano_C3_100.wav
cello_D5_15_forte.wav
068-G#4-PP.wav
Drums 120-130 bpm.wav
BPM 120-130.wav
120 BPM - 130 BPM.wav
10Cm_ruler.wav
loop_100_120_dry.wav
2-01 Song.mp3
Loop 2000bpm.wav
Loop_3bpm.wav
"""

KEYS = """
Atmosphere - Cool Blue - Cmin.wav | C minor
Cmaj_triads.ogg | C major
sax-tenor-d-minor.wav | D minor
arabesque-l-66-no-1-in-e-major.mp3 | E major
prelude_cmaj.wav | C major
minor chords - Bm higher.wav | B minor
Bb_minor_pad.wav | A# minor
B flat minor - Choir.wav | A# minor
F sharp minor pad.wav | F# minor
Ebmaj Rhodes.wav | D# major
G♭m strings.wav | F# minor
c#m_bass.wav | C# minor
PAD_AMIN.wav | A minor
PAD_CMAJ.wav | C major
key of D.wav | D major
Pad key of f#.wav | F# major
Riff in the Key of Bb.wav | A# major
Key_Gm_Lead.wav | G minor
Prelude in A Major Op 5.mp3 | A major
Etude in a minor.mp3 | A minor
SH-101_Bass_Am.wav | A minor
LM120_Am.wav | A minor
Track 99 Am.mp3 | A minor
Piano Loop Em.wav | E minor
Guitar_Riff_Slow_E.wav | E major
Chords_F#_Warm.wav | F# major
Snare_100_Am.wav | A minor
Drum Tops F#m 01.wav | F# minor
"""

NO_KEY = """
A Day.wav
Add.wav
Be.wav
Bad.wav
Ambient.wav
Emotion.wav
Amen.wav
Cmon.wav
Gmail.wav
I Am Here.mp3
Here I Am.mp3
Am I Wrong.mp3
Who Am I.mp3
Let Em Go.mp3
Em And Me.mp3
A Major Problem.mp3
A Minor Setback.mp3
B Side.wav
Plan B.wav
Take A.wav
Vitamin C.wav
Crowd Noise B.wav
Loop A.wav
Synth_Loop_A.wav
Drum_Loop_120_B.wav
Break_170bpm_A.wav
128bpm B.wav
Guitar_Loop_03_E.wav
Guitar Loop B 02.wav
PL_Bass_Loop_F_124.wav
Kick_F#.wav
Kick_100_A.wav
Sub_F#.wav
808_F.wav
Piano_C3.wav
Piano_C#3.wav
Piano_C#_3.wav
Piano_C.wav
bass-clarinet_D5_1_mezzo-forte.mp3
bassoon_Fs3_05.mp3
Gb2.mp3
068-G#4-PP.m4a
clarinet_c6.wav
FM_Bass_120bpm.wav
CM_bass_128bpm.wav
Bass_DM_128bpm.wav
AM Radio.wav
AB_test.wav
fm_128bpm_bass.wav
10Cm_ruler.wav
10 Cm.wav
12 Db boost.wav
2 Gb file.wav
guit_em9.flac
120bpm_Gbmaj7.wav
Cm7 Chord.wav
Dsus4.wav
Am_F_C_G.wav
Am-Dm.wav
Bm and Cm.wav
D Flat.wav
A Sharp Knife.wav
8A.wav
kick_02B.wav
kick 2B.wav
Take 3A.wav
Drum_Loop_128_2B.wav
Drum Loop 128 2B.wav
Drum_128bpm_02A.wav
Root_C.wav
E-Piano.wav
D&B.wav
Mel B.wav
"""


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def said_tempo(name: str) -> str:
    tempo = named(name).tempo_bpm
    return "-" if tempo is None else f"{tempo:g}"


def said_key(name: str) -> str:
    key = named(name).key
    return "-" if key is None else key.name


@pytest.mark.parametrize(("name", "tempo", "key"), rows(CLAIMS))
def test_tempo_and_key(name: str, tempo: str, key: str) -> None:
    assert (said_tempo(name), said_key(name)) == (tempo, key)


@pytest.mark.parametrize(("name", "tempo"), rows(TEMPI))
def test_tempo(name: str, tempo: str) -> None:
    assert said_tempo(name) == tempo


@pytest.mark.parametrize("name", NO_TEMPO.strip().splitlines())
def test_numbers_that_are_no_tempo(name: str) -> None:
    assert said_tempo(name) == "-"


@pytest.mark.parametrize(("name", "key"), rows(KEYS))
def test_key(name: str, key: str) -> None:
    assert said_key(name) == key


@pytest.mark.parametrize("name", NO_KEY.strip().splitlines())
def test_letters_that_are_no_key(name: str) -> None:
    assert said_key(name) == "-"


@pytest.mark.parametrize(
    ("path", "tempo", "key", "sound"),
    [
        ("120 BPM/Drums/Kicks/01.wav", 120.0, None, "kick"),
        ("Drums/Kicks/Snare 01.wav", None, None, "snare"),
        ("Snares/Kicks/01.wav", None, None, "kick"),
        ("90bpm/120bpm/loop.wav", 120.0, None, None),
        ("90bpm/120bpm/loop 140bpm.wav", 140.0, None, None),
        ("Songs/Am/Cm/vox.wav", None, "C minor", "vocal"),
        ("Songs/F# minor - 90 bpm/vox Em.wav", 90.0, "E minor", "vocal"),
        ("Stems/My Song 128 Am/bass.wav", 128.0, "A minor", "bass"),
        ("100 Drum Loops/dusty.wav", None, None, "drum loop"),
        ("Loops/BHE_126_Tribal_01.wav", 126.0, None, None),
        ("Loops/Tribal 126.wav", None, None, None),
        ("Kicks/BHE_126_Tribal_01.wav", None, None, "kick"),
        ("One Shots/Bass_64_Am.wav", None, "A minor", "bass"),
        ("Vol 120/Drums 120-130 bpm/x.wav", None, None, None),
        ("C#/Piano.wav", None, None, "piano"),
        ("bm/bm65.wav", None, None, None),
        ("", None, None, None),
        (".wav", None, None, None),
    ],
)
def test_file_before_folders_and_near_before_far(
    path: str, tempo: float | None, key: str | None, sound: str | None
) -> None:
    assert named(path) == Named(tempo, parse_key(key) if key else None, sound)


def test_decomposed_names_as_macos_gives_them() -> None:
    assert named("Cafe\u0301 120bpm Am pad.wav") == Named(120.0, parse_key("Am"), "pad")


def test_publishers_names_are_read_right(corpus: Path) -> None:
    """Of the files whose tempo or key is known: what their publishers' names claim is so, and some do claim."""
    claims = {"tempo": 0, "key": 0}
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name = re.search(r"orig=(.*)$", row["note"], re.DOTALL)
            assert name is not None
            said = named(name[1])
            if row["task"] == "tempo" and said.tempo_bpm is not None:
                assert said.tempo_bpm == pytest.approx(float(row["label"]), rel=0.02), name[1]
                claims["tempo"] += 1
            elif row["task"] == "key" and said.key is not None:
                assert said.key == parse_key(row["label"]), name[1]
                claims["key"] += 1
            elif row["task"] in ("drums", "pitch"):  # single sounds
                assert (said.tempo_bpm, said.key) == (None, None), name[1]
    assert claims["tempo"] >= 20
    assert claims["key"] >= 5
