"""The clients against a real service."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import soundfile
from blake3 import blake3

from samplemind.client import AsyncClient, Client, values
from samplemind.client.failures import ANALYSIS_ERRORS
from samplemind.engine import AudioEngine
from samplemind.errors import (
    AnalysisError,
    EmptyAudioError,
    LibraryValueError,
    OutputError,
    ServiceError,
    ServiceUnreachableError,
    UnsupportedFormatError,
)
from samplemind.features.levels import AnalysisLevel
from samplemind.service import answers
from samplemind.service.audio import slug
from tests.client.cutting import cutting
from tests.service.running import RunningService, new_key, running
from tests.signals import SAMPLE_RATE, music, sine

FORMS: Final = {
    values.Place: answers.FileOut,
    values.Sound: answers.SoundOut,
    values.Audio: answers.AudioOut,
    values.Job: answers.JobOut,
    values.Tag: answers.TagOut,
    values.Collection: answers.CollectionOut,
    values.Peaks: answers.Peaks,
    values.Identity: answers.SessionOut,
}


def sound(seed: int, *, seconds: float = 1.0, form: str = "WAV", **options: Any) -> bytes:
    """A file of music that no other test has."""
    file = io.BytesIO()
    soundfile.write(file, music(seconds, seed=seed), SAMPLE_RATE, format=form, **options)
    return file.getvalue()


@pytest.mark.parametrize(("ours", "theirs"), FORMS.items(), ids=lambda kind: kind.__name__)
def test_values_have_the_fields_of_the_answers(ours: type, theirs: Any) -> None:
    assert set(ours.__dataclass_fields__) == set(theirs.model_fields)  # type: ignore[attr-defined]


def test_every_error_of_a_file_has_the_word_that_the_service_has_for_it() -> None:
    assert {word: slug(kind.__name__) for word, kind in ANALYSIS_ERRORS.items()} == {
        word: word for word in ANALYSIS_ERRORS
    }
    assert ANALYSIS_ERRORS["limit-exceeded"].__name__ == "LimitExceededError"


@pytest.mark.parametrize("level", ["basic", AnalysisLevel.DETAILED])
def test_an_answer_is_what_this_machine_would_say(
    client: Client, engine: AudioEngine, tmp_path: Path, level: AnalysisLevel | str
) -> None:
    path = tmp_path / "loop.wav"
    path.write_bytes(sound(1, seconds=4.0))
    here = engine.analyze_audio(path, level=AnalysisLevel(level)).to_dict()
    assert client.analyze(path, level=level).to_dict() == {**here, "path": "loop.wav"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", EmptyAudioError),
        (b"a text", UnsupportedFormatError),
        (b"\x00\xff" * 500, UnsupportedFormatError),
        (sound(2)[:44], EmptyAudioError),
    ],
    ids=["empty", "text", "noise", "no-samples"],
)
def test_audio_without_an_answer_raises_what_this_machine_would(
    client: Client, body: bytes, kind: type[AnalysisError]
) -> None:
    with pytest.raises(kind) as caught:
        client.analyze(body, name="loop.wav")
    assert caught.value.path == "loop.wav"
    assert caught.value.reason


def test_all_ways_to_upload_a_file_lead_to_the_same_audio(client: Client, tmp_path: Path) -> None:
    body = sound(3)
    path = tmp_path / "Träume ♫ 100%.wav"
    path.write_bytes(body)
    audio = client.upload(path)
    assert audio.id == blake3(body).hexdigest()
    assert audio.size_bytes == len(body)
    assert audio.sound is None
    assert "Träume" in audio.name
    with path.open("rb") as file:
        assert client.upload(file).id == audio.id
    assert client.upload(body, name="other.wav").id == audio.id
    assert client.audio(audio.id) == audio
    client.delete(audio.id)
    with pytest.raises(ServiceError) as caught:
        client.audio(audio.id)
    assert caught.value.status == 404
    assert caught.value.request_id


def test_a_key_of_idempotency_names_one_upload(client: Client) -> None:
    client.upload(sound(4), idempotency_key="four")
    with pytest.raises(ServiceError) as caught:
        client.upload(sound(5), idempotency_key="four")
    assert caught.value.status == 422


def test_lists_are_followed_over_their_pages(client: Client) -> None:
    ids = [client.upload(sound(10 + number, seconds=0.1)).id for number in range(5)]
    assert [audio.id for audio in client.all_audio(limit=5, page_size=2)] == ids[::-1]
    listed = [audio.id for audio in client.all_audio(page_size=3)]
    assert listed[:5] == ids[::-1]
    assert len(set(listed)) == len(listed)
    job = client.wait(client.analyze_all(ids, level="basic").id)
    assert job.totals is not None
    assert job.totals["done"] == 5
    assert {part.subject for part in client.jobs(batch=job.id, page_size=2)} == set(ids)
    for each in ids:
        client.add_tag(each, "paged")
    assert {audio.id for audio in client.search("tag:paged", page_size=2)} == set(ids)
    assert len(list(client.search("tag:paged", limit=3, page_size=2))) == 3
    assert list(client.search("tag:paged", limit=0)) == []


def test_what_is_said_of_a_sound_is_kept(client: Client) -> None:
    features = client.analyze(sound(20, seconds=4.0), name="said.wav")
    audio = next(client.search("name:said.wav"))
    assert audio.sound is not None
    assert audio.sound.duration_s == features.duration_s
    corrected = client.correct(audio.id, tempo=133, key="Am").sound
    assert corrected is not None
    assert (corrected.tempo_bpm, corrected.key) == (133, "A minor")
    taken_back = client.correct(audio.id, tempo=None).sound
    assert taken_back is not None
    assert taken_back.tempo_bpm == audio.sound.tempo_bpm
    assert taken_back.key == "A minor"
    tagged = client.add_tag(audio.id, "über cool?#%").sound
    assert tagged is not None
    assert tagged.tags == ("über cool?#%",)
    assert [(tag.name, tag.sounds) for tag in client.tags() if tag.name == "über cool?#%"] == [("über cool?#%", 1)]
    client.remove_tag(audio.id, "über cool?#%")
    assert list(client.search('tag:"über cool?#%"')) == []


def test_collections_hold_sounds_and_queries(client: Client) -> None:
    client.analyze(sound(21), name="kept.wav")
    audio = next(client.search("name:kept.wav"))
    assert client.save_collection("mine & yours").items == 0
    client.add_to_collection("mine & yours", audio.id)
    assert client.collection("mine & yours").items == 1
    assert [each.id for each in client.search('collection:"mine & yours"')] == [audio.id]
    client.remove_from_collection("mine & yours", audio.id)
    assert client.save_collection("mine & yours", "name:kept.wav").query == "name:kept.wav"
    assert [each.id for each in client.search('collection:"mine & yours"')] == [audio.id]
    assert "mine & yours" in [each.name for each in client.collections()]
    client.delete_collection("mine & yours")
    assert "mine & yours" not in [each.name for each in client.collections()]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_not_sent(client: Client, name: str) -> None:
    audio = client.upload(sound(22))
    with pytest.raises(LibraryValueError):
        client.remove_tag(audio.id, name)
    with pytest.raises(LibraryValueError):
        client.delete(name)
    assert client.audio(audio.id) == audio


def test_jobs_are_watched_and_cancelled(client: Client) -> None:
    first, last = (client.upload(sound(30, seconds=seconds)).id for seconds in (5.0, 300.0))
    job = client.request_analysis(first, level="detailed")
    long = client.request_analysis(last, level="detailed")
    assert isinstance(job, values.Job)
    assert isinstance(long, values.Job)
    assert client.cancel(long.id).state == "cancelled"
    assert client.wait(long.id).state == "cancelled"
    assert long.id in [each.id for each in client.jobs(state="cancelled")]
    states = [each.state for each in client.watch(job.id)]
    assert states[-1] == "done"
    assert states == sorted(states, key=["queued", "running", "done"].index)
    assert client.job(job.id).ended_at is not None
    assert client.analysis(first, level="detailed").level is AnalysisLevel.DETAILED


def test_who_stops_watching_holds_no_connection(service: RunningService) -> None:
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(limits=limits) as http, Client(service.url, http=http, timeout_s=5.0, retries=0) as client:
        job = client.request_analysis(client.upload(sound(31, seconds=60.0)).id, level="detailed")
        assert isinstance(job, values.Job)
        for each in client.watch(job.id):
            assert each.id == job.id
            break
        assert client.wait(job.id).state == "done"
        assert client.who().id == "local"


def test_a_sound_is_drawn_and_given_back(client: Client, tmp_path: Path) -> None:
    samples = sine(1000.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    audio = client.upload(file.getvalue())
    peaks = client.peaks(audio.id, points=10)
    assert peaks.maximum == pytest.approx([0.5] * 10, abs=0.01)
    assert peaks.minimum == pytest.approx([-0.5] * 10, abs=0.01)
    picture = client.spectrogram(audio.id, width=64, height=32)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [64, 32]
    target = tmp_path / "back.wav"
    target.write_bytes(b"replaced")
    assert client.download(audio.id, target).read_bytes() == file.getvalue()
    assert [entry.name for entry in tmp_path.iterdir()] == ["back.wav"]


def test_a_preview_is_what_browsers_play(client: Client, tmp_path: Path) -> None:
    audio = client.upload(sound(40, form="CAF"))
    path = client.download_preview(audio.id, tmp_path / "preview.flac")
    assert soundfile.info(path).format == "FLAC"
    heard, _ = soundfile.read(path)
    assert heard == pytest.approx(music(1.0, seed=40), abs=2**-14)


def test_a_download_goes_on_where_it_broke_off(service: RunningService, tmp_path: Path) -> None:
    body = sound(41, seconds=4.0)
    with Client(service.url) as client:
        audio = client.upload(body)
    with cutting(service.url, [100_000, 150_000]) as cutter, Client(cutter.url) as client:
        assert client.download(audio.id, tmp_path / "back.wav").read_bytes() == body
    assert len(cutter.said) == 3
    ranges = [line for said in cutter.said for line in said.lower().split(b"\r\n") if line.startswith(b"range:")]
    starts = [int(line.split(b"=")[1].rstrip(b"-")) for line in ranges]
    assert 90_000 < starts[0] <= 100_000
    assert starts[0] + 140_000 < starts[1] <= starts[0] + 150_000


def test_a_download_that_never_gets_on_leaves_nothing(service: RunningService, tmp_path: Path) -> None:
    with Client(service.url) as client:
        audio = client.upload(sound(42))
    with (
        cutting(service.url, [0] * 100) as cutter,
        Client(cutter.url, retries=1) as client,
        pytest.raises(ServiceUnreachableError),
    ):
        client.download(audio.id, tmp_path / "back.wav")
    assert list(tmp_path.iterdir()) == []
    with Client(service.url) as client, pytest.raises(OutputError, match="missing"):
        client.download(audio.id, tmp_path / "missing" / "back.wav")


def test_a_job_is_watched_over_a_network_that_breaks(service: RunningService) -> None:
    with Client(service.url) as client:
        ids = [client.upload(sound(80 + number, seconds=10.0)).id for number in range(6)]
        batch = client.analyze_all(ids, level="detailed")
    # Cut before the answer, among its headers, and then among the events.
    with cutting(service.url, [0, 300, 900, 1200, 900]) as cutter, Client(cutter.url) as client:
        job = client.wait(batch.id)
    assert job.totals is not None
    assert (job.state, job.totals["done"]) == ("done", 6)
    assert len(cutter.said) >= 3


def test_a_job_is_watched_over_the_death_of_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder, "--jobs", "1", stop=signal.SIGKILL) as service:
        client = Client(service.url)
        ids = [client.upload(sound(90 + number, seconds=30.0)).id for number in range(6)]
        batch = client.analyze_all(ids, level="detailed")
        watched = client.watch(batch.id)
        assert not next(watched).ended
    port = service.url.rpartition(":")[2]
    with client, running(folder, "--jobs", "1", "--port", port):
        *_, last = watched
        assert last.totals is not None
        assert (last.state, last.totals["done"]) == ("done", 6)


def test_an_upload_gets_through_a_network_that_breaks(service: RunningService) -> None:
    body = sound(44, seconds=4.0)
    with cutting(service.url, [0, 10]) as cutter, Client(cutter.url) as client:
        assert client.upload(body).id == blake3(body).hexdigest()
    assert len(cutter.said) == 3


def test_keys_open_as_much_as_they_are_good_for(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    reader, writer = new_key(folder, "read"), new_key(folder, "write")
    with running(folder, "--require-key") as service:
        with Client(service.url) as client, pytest.raises(ServiceError) as caught:
            client.who()
        assert caught.value.status == 401
        with Client(service.url, key=reader) as client:
            assert client.who().scope == "read"
            assert list(client.all_audio()) == []
            with pytest.raises(ServiceError) as caught:
                client.upload(sound(50))
            assert (caught.value.status, caught.value.code) == (403, "insufficient-scope")
        with Client(service.url) as client:
            assert client.sign_in(writer).scope == "write"
            assert client.who().scope == "write"
            assert client.analyze(sound(51)).duration_s == 1.0
            client.sign_out()
            with pytest.raises(ServiceError):
                client.who()


def test_nobody_there_is_told(service: RunningService) -> None:
    with (
        Client("http://127.0.0.1:9", retries=1) as client,
        pytest.raises(ServiceUnreachableError, match=r"127\.0\.0\.1:9"),
    ):
        client.who()


def test_the_asynchronous_client_does_the_same_many_at_a_time(service: RunningService, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_bytes(sound(60 + number))

    async def work() -> None:
        async with AsyncClient(service.url) as client:
            found = await asyncio.gather(*(client.analyze(path, level="basic") for path in paths))
            assert [each.path for each in found] == [path.name for path in paths]
            ids = [blake3(path.read_bytes()).hexdigest() for path in paths]
            assert [each.file_digest for each in found] == ids
            assert {audio.id async for audio in client.all_audio(page_size=3)} >= set(ids)
            target = await client.download(ids[0], tmp_path / "back.wav")
            assert target.read_bytes() == paths[0].read_bytes()
            with paths[1].open("rb") as file:
                assert (await client.upload(file)).id == ids[1]
            job = await client.analyze_all(ids, level="standard")
            assert [each.state async for each in client.watch(job.id)][-1] == "done"
            with pytest.raises(EmptyAudioError):
                await client.analyze(b"")

    asyncio.run(work())


def test_waiting_can_be_called_off(service: RunningService) -> None:
    async def work() -> None:
        async with AsyncClient(service.url) as client:
            ids = [(await client.upload(sound(70 + number, seconds=30.0))).id for number in range(6)]
            batch = await client.analyze_all(ids, level="detailed")
            waiting = asyncio.create_task(client.wait(batch.id))
            async with contextlib.aclosing(client.watch(batch.id)) as jobs:
                assert not (await anext(jobs)).ended
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await client.cancel(batch.id)).state == "cancelled"

    asyncio.run(work())


def test_a_client_of_its_own_stays_open(service: RunningService) -> None:
    with httpx.Client(headers={"X-Request-ID": "mine"}) as http:
        with Client(service.url, http=http) as client, pytest.raises(ServiceError) as caught:
            client.audio("0" * 64)
        assert caught.value.request_id == "mine"
        assert http.get(f"{service.url}/healthz").status_code == 200
