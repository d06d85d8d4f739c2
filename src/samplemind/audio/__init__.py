"""Sound in: what a file is, its samples in blocks, and the digests that tell two sounds apart.

path ─▶ sniff ─▶ wav │ libsndfile │ libav ─▶ open_audio: limits, float32, blocks
"""

from samplemind.audio.decode import LARGEST_SAMPLE, AudioFile, open_audio
from samplemind.audio.identity import AudioDigest, StatKey, array_digest, file_digest, settled, stat_key
from samplemind.audio.info import AudioInfo, is_current
from samplemind.audio.limits import Limits

__all__ = [
    "LARGEST_SAMPLE",
    "AudioDigest",
    "AudioFile",
    "AudioInfo",
    "Limits",
    "StatKey",
    "array_digest",
    "file_digest",
    "is_current",
    "open_audio",
    "settled",
    "stat_key",
]
