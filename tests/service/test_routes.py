"""The routes, over HTTP, on real sounds: what a client of the service sees."""

from __future__ import annotations

import email
import gzip
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from blake3 import blake3
from numpy.typing import NDArray

from samplemind.engine import AudioEngine
from tests.service.live import Live, live
from tests.service.test_names import HOSTILE
from tests.signals import noise, sine

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the service may scan."""
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, roots: Path) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("service") / "data", roots=(roots,), max_duration_s=60.0) as service:
        yield service


@pytest.fixture
def client(service: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service.url}/api/v1", timeout=PATIENCE_S) as client:
        yield client


def encoded(samples: NDArray[Any], form: str = "WAV", subtype: str | None = None, rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


_pitch = iter(range(200, 5000))


def sound(seconds: float = 0.3) -> bytes:
    """Another one each time."""
    return encoded(sine(float(next(_pitch)), seconds))


def uploaded(client: httpx.Client, data: bytes, name: str = "sound.wav") -> str:
    response = client.post("/audio", content=data, params={"name": name})
    assert response.status_code in (200, 201), response.text
    audio_id: str = response.json()["id"]
    return audio_id


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def analyzed(client: httpx.Client, data: bytes, name: str = "sound.wav", **params: Any) -> dict[str, Any]:
    response = client.post("/analyze", content=data, params={"name": name, **params})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


class TestUploads:
    def test_an_id_is_the_digest_of_the_bytes(self, client: httpx.Client) -> None:
        data = sound()
        response = client.post("/audio", content=data, params={"name": "Kick 01.wav"})
        assert response.status_code == 201
        assert response.json()["id"] == blake3(data).hexdigest()
        assert response.json()["name"] == "Kick 01.wav"
        assert response.headers["location"] == f"/api/v1/audio/{blake3(data).hexdigest()}"
        assert client.get(response.headers["location"].removeprefix("/api/v1")).json() == response.json()

    def test_the_same_bytes_again_are_the_same_audio(self, client: httpx.Client) -> None:
        data = sound()
        first = client.post("/audio", content=data, params={"name": "one.wav"})
        again = client.post("/audio", content=data, params={"name": "two.wav"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()

    def test_a_form_is_as_good_as_a_raw_body(self, client: httpx.Client) -> None:
        data = sound()
        response = client.post("/audio", files={"file": ("Snare.wav", data, "audio/wav")}, data={"other": "field"})
        assert response.status_code == 201
        assert (response.json()["id"], response.json()["name"]) == (blake3(data).hexdigest(), "Snare.wav")

    def test_a_request_with_a_key_is_answered_again_and_done_once(self, client: httpx.Client) -> None:
        data, headers = sound(), {"Idempotency-Key": f"key-{next(_pitch)}"}
        first = client.post("/audio", content=data, headers=headers)
        again = client.post("/audio", content=data, headers=headers)
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        other = client.post("/audio", content=sound(), headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "key-used-before")

    def test_what_was_taken_away_is_not_said_to_be_there(self, service: Live, client: httpx.Client) -> None:
        """Sent again after that, a request with a key is done again, however the audio went."""
        data, headers = sound(), {"Idempotency-Key": f"key-{next(_pitch)}"}
        path = f"/audio/{client.post('/audio', content=data, headers=headers).json()['id']}"
        for taken_away in (lambda: client.delete(path), lambda: shutil.rmtree(service.folder.upload(path[7:]))):
            taken_away()
            again = client.post("/audio", content=data, headers=headers)
            assert (again.status_code, again.headers["location"]) == (201, f"/api/v1{path}")
            assert client.get(path).json() == again.json()
            assert client.get(f"{path}/content").content == data
            assert client.post("/audio", content=data, headers=headers).json() == again.json()

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"", "audio/wav", 422),
            (b"hello " * 1000, "audio/wav", 415),
            (b"{}", "application/json", 415),
            (b"RIFF" * 100, "text/plain", 415),
            (b"--x\r\n", "multipart/form-data", 400),
            (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        ],
    )
    def test_what_is_no_audio_is_refused(
        self, client: httpx.Client, body: bytes, content_type: str, status: int
    ) -> None:
        response = client.post("/audio", content=body, headers={"Content-Type": content_type})
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"

    def test_hostile_names_stay_in_the_folder_and_are_text(self, service: Live, client: httpx.Client) -> None:
        outside = sorted(
            path for path in service.folder.path.parent.rglob("*") if service.folder.path not in path.parents
        )
        for name in HOSTILE:
            data = sound(0.01)
            shown = name.encode("utf-8", "replace").decode()
            response = client.post("/audio", content=data, params={"name": shown[:1000]})
            assert response.status_code == 201, shown
            [path] = (service.folder.audio / response.json()["id"]).iterdir()
            assert path.read_bytes() == data
            assert path.name == response.json()["name"]
            content = client.get(f"/audio/{response.json()['id']}/content")
            assert content.headers["content-type"] == "audio/wav"
            assert content.headers["x-content-type-options"] == "nosniff"
            assert "\n" not in content.headers["content-disposition"]
        assert outside == sorted(
            path for path in service.folder.path.parent.rglob("*") if service.folder.path not in path.parents
        )

    def test_deleted_audio_is_gone(self, service: Live, client: httpx.Client) -> None:
        audio_id = analyzed(client, sound(), "Gone.wav")["file_digest"]
        assert len(client.get("/search", params={"q": "gone"}).json()["items"]) == 1
        assert client.delete(f"/audio/{audio_id}").status_code == 204
        assert not (service.folder.audio / audio_id).exists()
        for path in ("", "/content", "/analysis", "/peaks", "/preview", "/spectrogram.png"):
            assert client.get(f"/audio/{audio_id}{path}").status_code == 404
        assert client.delete(f"/audio/{audio_id}").status_code == 404
        assert client.get("/search", params={"q": "gone"}).json()["items"] == []


class TestLists:
    def test_all_files_are_listed_once_the_latest_first(self, client: httpx.Client) -> None:
        new = [uploaded(client, sound(0.01)) for _ in range(7)]
        found: list[str] = []
        cursor = None
        while True:
            page = client.get("/audio", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["cursor"]
            if cursor is None:
                break
        assert found[:7] == new[::-1]
        assert len(set(found)) == len(found)

    @pytest.mark.parametrize("cursor", ["x", "", "ZjE=", "Zi0x", "é", "A" * 500])
    def test_a_cursor_that_is_none_is_refused(self, client: httpx.Client, cursor: str) -> None:
        response = client.get("/audio", params={"cursor": cursor})
        assert response.status_code in (200, 400)
        assert response.status_code == 400 or cursor == "ZjE="

    def test_a_query_that_is_none_is_explained(self, client: httpx.Client) -> None:
        response = client.get("/search", params={"q": "tempo:fast"})
        assert response.status_code == 400
        assert response.json()["code"] == "query"
        assert response.json()["column"] == 7

    def test_paths_of_the_server_are_nobodys_business(self, service: Live, client: httpx.Client) -> None:
        analyzed(client, sound(), "Secret.wav")
        for path in ("/audio", "/search", "/jobs", "/debug/stats"):
            assert str(service.folder.path) not in client.get(path).text


class TestContent:
    def test_a_file_is_given_back_and_kept_for_ever(self, client: httpx.Client) -> None:
        data = sound()
        audio_id = uploaded(client, data)
        response = client.get(f"/audio/{audio_id}/content")
        assert response.content == data
        assert response.headers["etag"] == f'"{audio_id}"'
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-type"] == "audio/wav"
        assert "content-encoding" not in response.headers
        again = client.get(f"/audio/{audio_id}/content", headers={"If-None-Match": f'"x", W/"{audio_id}"'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == f'"{audio_id}"'

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)), ("bytes=-50", slice(-50, None))],
    )
    def test_parts_are_given(self, client: httpx.Client, asked: str, expected: slice) -> None:
        data = sound()
        response = client.get(f"/audio/{uploaded(client, data)}/content", headers={"Range": asked})
        assert response.status_code == 206
        assert response.content == data[expected]

    @pytest.mark.parametrize(
        "asked",
        ["seconds=0-1", "bytes", "bytes=", "bytes=5-3", "bytes=x-y", "bytes=0-9,a", "bytes=1_0-20", "bytes=0-,0-,0-"],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_what_is_no_range_is_ignored(self, client: httpx.Client, asked: str, method: str) -> None:
        data = sound()
        path = f"/audio/{uploaded(client, data)}/content"
        response = client.request(method, path, headers={"Range": asked})
        assert (response.status_code, response.headers["content-length"]) == (200, str(len(data)))
        assert response.content == (data if method == "GET" else b"")

    def test_several_parts_are_given(self, client: httpx.Client) -> None:
        data = sound()
        path = f"/audio/{uploaded(client, data)}/content"
        two = client.get(path, headers={"Range": "bytes=0-9, 20-29,999999999-"})
        assert two.status_code == 206
        message = email.message_from_bytes(
            b"Content-Type: " + two.headers["content-type"].encode() + b"\n\n" + two.content
        )
        assert message.get_content_type() == "multipart/byteranges"
        assert [part["content-range"] for part in message.get_payload()] == [  # type: ignore[union-attr]
            f"bytes 0-9/{len(data)}",
            f"bytes 20-29/{len(data)}",
        ]
        one = client.get(path, headers={"Range": "bytes=999999999-, -1"})
        assert (one.status_code, one.content) == (206, data[-1:])

    @pytest.mark.parametrize("place", ["content", "preview", "peaks", "spectrogram.png", "analysis"])
    def test_conditions_are_kept(self, client: httpx.Client, place: str) -> None:
        """In the order of RFC 9110, 13.2.2. Nothing says when it was modified: dates are no conditions."""
        data = sound()
        path = f"/audio/{uploaded(client, data)}/{place}"
        analyzed(client, data)
        given = client.get(path)
        tag, other = given.headers["etag"].removeprefix("W/"), '"other"'
        assert "last-modified" not in given.headers
        past, future = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
        for headers, status in (
            ({"If-Match": tag}, 200),
            ({"If-Match": f"{other}, {tag}"}, 200),
            ({"If-Match": "*"}, 200),
            ({"If-Match": other}, 412),
            ({"If-Match": f"W/{tag}"}, 412),
            ({"If-Match": ""}, 412),
            ({"If-Match": other, "If-None-Match": tag}, 412),
            ({"If-Match": other, "Range": "bytes=999999999-"}, 412),
            ({"If-Match": tag, "If-None-Match": tag}, 304),
            ({"If-None-Match": f"W/{tag}", "Range": "bytes=999999999-"}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": other, "If-Modified-Since": future}, 200),
            ({"If-Modified-Since": future}, 200),
            ({"If-Unmodified-Since": past}, 200),
        ):
            for method in ("GET", "HEAD"):
                response = client.request(method, path, headers=headers)
                if method == "HEAD" and status == 412:
                    assert response.headers["content-type"] == "application/problem+json"
                elif status == 412:
                    assert response.json()["code"] == "precondition-failed"
                assert response.status_code == status, (method, headers)
        nowhere = f"/audio/{'0' * 64}/{place}"
        assert client.get(nowhere, headers={"If-Match": other}).status_code == 404

    def test_parts_are_those_of_one_version(self, client: httpx.Client) -> None:
        data = sound()
        path = f"/audio/{uploaded(client, data)}/content"
        tag = client.get(path).headers["etag"]
        date = "Fri, 01 Jan 2100 00:00:00 GMT"
        for version, status in ((tag, 206), (f"W/{tag}", 200), ('"other"', 200), (date, 200)):
            response = client.get(path, headers={"Range": "bytes=0-3", "If-Range": version})
            assert (response.status_code, response.content) == (status, data[:4] if status == 206 else data)
        beyond = {"Range": "bytes=999999999-", "If-Range": '"other"'}
        assert client.get(path, headers=beyond).status_code == 200

    def test_what_is_beyond_the_end_is_refused(self, client: httpx.Client) -> None:
        data = sound()
        response = client.get(f"/audio/{uploaded(client, data)}/content", headers={"Range": "bytes=999999999-"})
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{len(data)}"

    def test_head_says_what_get_would(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        for path in (f"/audio/{audio_id}/content", f"/audio/{audio_id}", "/search", "/jobs"):
            head, get = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (200, b"")
            for name in ("content-length", "content-type", "etag", "cache-control"):
                assert head.headers.get(name) == get.headers.get(name)

    def test_what_browsers_play_is_its_own_preview(self, client: httpx.Client) -> None:
        data = sound()
        audio_id = uploaded(client, data)
        analyzed(client, data)
        assert client.get(f"/audio/{audio_id}/preview").content == data

    def test_what_they_do_not_play_is_transcoded(self, client: httpx.Client) -> None:
        samples = sine(440.0, 0.5)
        audio_id = uploaded(client, encoded(samples, "AIFF", "PCM_16"), "a.aiff")
        response = client.get(f"/audio/{audio_id}/preview")
        assert response.headers["content-type"] == "audio/flac"
        played, rate = soundfile.read(io.BytesIO(response.content))
        original, _ = soundfile.read(io.BytesIO(encoded(samples, "AIFF", "PCM_16")))
        assert rate == 44_100
        np.testing.assert_array_equal(played, original)
        part = client.get(f"/audio/{audio_id}/preview", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"fLaC")

    def test_a_scanned_file_that_was_changed_is_gone(self, client: httpx.Client, roots: Path) -> None:
        path = roots / "folder" / "changing.wav"
        path.parent.mkdir()
        path.write_bytes(sound())
        job = client.post("/batches", json={"root": str(path.parent)}).json()
        assert ended(client, job["id"])["state"] == "done"
        [item] = client.get("/search", params={"q": "changing"}).json()["items"]
        assert client.get(f"/audio/{item['id']}/content").status_code == 200
        assert client.delete(f"/audio/{item['id']}").status_code == 409
        path.write_bytes(sound(0.5))
        assert client.get(f"/audio/{item['id']}/content").status_code == 410
        path.unlink()
        assert client.get(f"/audio/{item['id']}/content").status_code == 410


class TestDrawings:
    def test_peaks_are_those_of_the_samples(self, client: httpx.Client) -> None:
        samples = noise(1.0) * 0.5
        document = client.get(f"/audio/{uploaded(client, encoded(samples))}/peaks", params={"points": 10}).json()
        slices = np.array_split(samples, 10)
        np.testing.assert_allclose(document["minimum"], [each.min() for each in slices], atol=2e-4)
        np.testing.assert_allclose(document["maximum"], [each.max() for each in slices], atol=2e-4)

    def test_a_spectrogram_is_a_picture_of_the_size_that_was_asked_for(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        response = client.get(f"/audio/{audio_id}/spectrogram.png", params={"width": 200, "height": 100})
        assert response.headers["content-type"] == "image/png"
        assert response.content[:8] == b"\x89PNG\r\n\x1a\n"
        assert (int.from_bytes(response.content[16:20], "big"), int.from_bytes(response.content[20:24], "big")) == (
            200,
            100,
        )
        headers = {"If-None-Match": response.headers["etag"]}
        params = {"width": 200, "height": 100}
        assert client.get(f"/audio/{audio_id}/spectrogram.png", params=params, headers=headers).status_code == 304

    def test_what_can_not_be_decoded_can_not_be_drawn(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, b"RIFF" + bytes(range(256)) * 10)
        for path in ("peaks", "spectrogram.png", "preview"):
            response = client.get(f"/audio/{audio_id}/{path}")
            assert response.status_code in (415, 422), path
            assert response.headers["content-type"] == "application/problem+json"


class TestAnalyses:
    def test_an_analysis_is_that_of_the_library(self, client: httpx.Client, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(sound(1.0))
        document = analyzed(client, path.read_bytes(), "a.wav", level="detailed")
        with AudioEngine(cache=None) as engine:
            expected = engine.analyze_audio(path, level="detailed").to_dict()
        assert document == {**expected, "path": "a.wav"}

    def test_a_job_leads_to_the_analysis(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        missing = client.get(f"/audio/{audio_id}/analysis")
        assert (missing.status_code, missing.json()["code"]) == (404, "not-analyzed")
        promised = client.post(f"/audio/{audio_id}/analysis")
        assert promised.status_code == 202
        assert promised.headers["cache-control"] == "no-store"
        job = ended(client, promised.headers["location"].rpartition("/")[2])
        assert (job["state"], job["subject"], job["level"]) == ("done", audio_id, "standard")
        given = client.get(f"/audio/{audio_id}/analysis")
        assert (given.status_code, given.json()["file_digest"]) == (200, audio_id)
        assert client.post(f"/audio/{audio_id}/analysis").json() == given.json()
        assert (
            client.get(f"/audio/{audio_id}/analysis", headers={"If-None-Match": given.headers["etag"]}).status_code
            == 304
        )
        assert client.get(f"/audio/{given.json()['audio_digest']}/analysis").json() == given.json()

    def test_a_higher_level_answers_a_lower_one(self, client: httpx.Client) -> None:
        document = analyzed(client, sound(), level="detailed")
        lower = client.post(f"/audio/{document['file_digest']}/analysis", params={"level": "basic"})
        assert lower.status_code == 200
        assert lower.json()["level"] == "detailed"

    def test_a_file_that_is_known_is_answered_at_once(self, client: httpx.Client) -> None:
        data = sound()
        assert analyzed(client, data) == analyzed(client, data, wait_s=0)

    def test_who_does_not_wait_gets_a_job(self, client: httpx.Client) -> None:
        response = client.post("/analyze", content=sound(), params={"wait_s": 0})
        assert response.status_code == 202
        assert ended(client, response.json()["id"])["state"] == "done"

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"RIFF" + bytes(range(256)) * 10, "decode unsupported-format"),
            (encoded(np.zeros(0)), "empty-audio decode"),
            (encoded(np.zeros(61 * 8000), rate=8000), "limit-exceeded"),
        ],
    )
    def test_what_has_no_answer_has_a_reason(self, client: httpx.Client, data: bytes, code: str) -> None:
        response = client.post("/analyze", content=data, params={"name": "bad.wav"})
        assert response.status_code in (415, 422)
        problem = response.json()
        assert problem["code"] in code.split()
        audio = client.get(f"/audio/{blake3(data).hexdigest()}").json()
        assert (audio["error"], audio["sound"]) == (problem["code"], None)
        assert client.post(f"/audio/{audio['id']}/analysis").status_code == 202  # it may have one some day

    def test_levels_that_can_not_be_computed_are_refused(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        for level in ("professional", "everything", ""):
            assert client.post(f"/audio/{audio_id}/analysis", params={"level": level}).status_code == 422


class TestJobs:
    def test_the_same_wish_is_one_job(self, client: httpx.Client, service: Live) -> None:
        long = encoded(noise(50.0))
        audio_id = uploaded(client, long)
        answers = [client.post(f"/audio/{audio_id}/analysis") for _ in range(5)]
        jobs = {answer.json()["id"] for answer in answers if answer.status_code == 202}
        assert len(jobs) == 1
        assert ended(client, jobs.pop())["state"] == "done"

    def test_events_tell_of_every_change_and_end(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        job_id = client.post(f"/audio/{audio_id}/analysis").json()["id"]
        events = list(read_events(client, job_id))
        versions = [event["id"] for event in events]
        assert versions == sorted(set(versions), key=int)
        assert events[-1]["data"]["state"] == "done"
        assert {event["event"] for event in events} == {"job"}
        assert list(read_events(client, job_id, events[-1]["id"])) == []
        [last] = read_events(client, job_id, str(int(versions[-1]) - 1))
        assert last == events[-1]

    def test_a_batch_counts_its_parts(self, client: httpx.Client) -> None:
        good = [uploaded(client, sound()) for _ in range(3)]
        bad = uploaded(client, b"RIFF" + bytes(range(1, 256)) * 10)
        response = client.post("/batches", json={"ids": [*good, bad, good[0]]})
        assert response.status_code == 202
        batch = ended(client, response.json()["id"])
        assert batch["state"] == "done"
        assert batch["totals"] == {"queued": 0, "running": 0, "done": 3, "failed": 1, "cancelled": 0, "quarantined": 0}
        parts = client.get("/jobs", params={"batch": batch["id"]}).json()["items"]
        assert {part["subject"]: part["state"] for part in parts} == {**dict.fromkeys(good, "done"), bad: "failed"}
        assert all(client.get(f"/audio/{each}/analysis").status_code == 200 for each in good)

    def test_a_batch_with_a_key_is_made_once(self, client: httpx.Client) -> None:
        body, headers = {"ids": [uploaded(client, sound())]}, {"Idempotency-Key": f"batch-{next(_pitch)}"}
        first = client.post("/batches", json=body, headers=headers)
        ended(client, first.json()["id"])
        assert client.post("/batches", json=body, headers=headers).json() == first.json()

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 422),
            ({"ids": []}, 422),
            ({"ids": ["0" * 64]}, 404),
            ({"ids": ["../../etc"]}, 404),
            ({"ids": ["0" * 64], "root": "/"}, 422),
            ({"root": "/"}, 403),
            ({"root": "/etc"}, 403),
            ({"root": "s3://bucket/"}, 403),
            ({"root": "\u0000"}, 403),
            ({"ids": ["0" * 64], "more": 1}, 422),
        ],
    )
    def test_batches_that_may_not_be_are_refused(self, client: httpx.Client, body: dict[str, Any], status: int) -> None:
        assert client.post("/batches", json=body).status_code == status

    def test_a_root_is_left_by_no_link(self, client: httpx.Client, roots: Path, tmp_path: Path) -> None:
        (roots / "away").symlink_to(tmp_path)
        for root in (roots / "away", roots / ".." / "x", f"{roots}x"):
            assert client.post("/batches", json={"root": str(root)}).status_code == 403

    def test_a_job_that_has_ended_stays_as_it_is(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        job_id = client.post(f"/audio/{audio_id}/analysis").json()["id"]
        before = ended(client, job_id)
        assert client.delete(f"/jobs/{job_id}").json() == before

    def test_a_batch_can_be_cancelled(self, tmp_path: Path, misbehaving: None) -> None:
        with live(tmp_path / "data") as service, httpx.Client(base_url=f"{service.url}/api/v1") as client:
            ids = [uploaded(client, sound(), name) for name in ("hang.wav", "kick.wav", "snare.wav")]
            batch = client.post("/batches", json={"ids": ids}).json()["id"]
            deadline = time.monotonic() + PATIENCE_S
            while client.get(f"/jobs/{batch}").json()["totals"]["running"] == 0:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            cancelled = client.delete(f"/jobs/{batch}").json()
            assert (cancelled["state"], cancelled["totals"]["cancelled"]) == ("cancelled", 3)
            parts = client.get("/jobs", params={"batch": batch}).json()["items"]
            assert [part["state"] for part in parts] == ["cancelled"] * 3
            assert analyzed(client, sound())["path"] == "sound.wav"
            assert ended(client, batch) == cancelled

    def test_what_there_is_not_is_not_found(self, client: httpx.Client) -> None:
        for method, path in (("GET", "/jobs/x"), ("DELETE", "/jobs/x"), ("GET", "/jobs/x/events")):
            assert client.request(method, path).status_code == 404


class TestLibrary:
    def test_what_a_user_says_is_found(self, client: httpx.Client) -> None:
        audio_id = analyzed(client, sound(), "Said.wav")["file_digest"]
        corrected = client.patch(f"/audio/{audio_id}/corrections", json={"tempo": 174, "key": "F#m"}).json()["sound"]
        assert (corrected["tempo_bpm"], corrected["key"]) == (174.0, "F# minor")
        assert set(corrected["corrected"]) >= {"tempo_bpm", "key"}
        assert client.put(f"/audio/{audio_id}/tags/favourite").json()["sound"]["tags"] == ["favourite"]
        assert client.put("/collections/fast", json={"query": "tempo:170..180"}).status_code == 201
        assert client.put("/collections/fast", json={"query": "tempo:170..180"}).status_code == 200
        for query in ("tempo:174 key:F#m", "tag:favourite", "collection:fast"):
            assert [item["id"] for item in client.get("/search", params={"q": query}).json()["items"]] == [audio_id]
            assert [item["id"] for item in client.get("/audio", params={"q": query}).json()["items"]] == [audio_id]
        back = client.patch(f"/audio/{audio_id}/corrections", json={"tempo": None}).json()["sound"]
        assert back["tempo_bpm"] != 174.0
        assert back["key"] == "F# minor"
        assert client.delete(f"/audio/{audio_id}/tags/favourite").json()["sound"]["tags"] == []
        assert client.delete("/collections/fast").status_code == 204
        assert client.get("/collections/fast").status_code == 404

    def test_sounds_are_put_into_collections(self, client: httpx.Client) -> None:
        audio_id = analyzed(client, sound(), "Item.wav")["file_digest"]
        client.put("/collections/best", json={})
        assert client.put(f"/collections/best/items/{audio_id}").status_code == 204
        assert client.get("/collections/best").json()["items"] == 1
        assert client.delete(f"/collections/best/items/{audio_id}").status_code == 204
        assert [each["name"] for each in client.get("/collections").json()] == ["best"]

    def test_nothing_can_be_said_of_what_was_not_analysed(self, client: httpx.Client) -> None:
        audio_id = uploaded(client, sound())
        response = client.put(f"/audio/{audio_id}/tags/x")
        assert (response.status_code, response.json()["code"]) == (409, "not-analyzed")

    @pytest.mark.parametrize("body", [{"tempo": "fast"}, {"tempo": 5}, {"key": "H"}, {"kind": "song"}, {"mood": "sad"}])
    def test_what_makes_no_sense_is_refused(self, client: httpx.Client, body: dict[str, Any]) -> None:
        audio_id = analyzed(client, sound())["file_digest"]
        assert client.patch(f"/audio/{audio_id}/corrections", json=body).status_code == 422


class TestOperations:
    def test_well_and_ready(self, service: Live) -> None:
        for path in ("/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz"):
            assert httpx.get(f"{service.url}{path}").json() == {"status": "ok"}

    def test_metrics_tell_of_requests_jobs_cache_and_nodes(self, service: Live, client: httpx.Client) -> None:
        analyzed(client, sound(), "Name of a file.wav")
        for url in (f"{service.url}/metrics", f"{service.url}/api/v1/metrics"):
            text = httpx.get(url).text
            assert 'samplemind_jobs{state="done"}' in text
            assert 'samplemind_cache_hits_total{tier="memory"}' in text
            assert 'samplemind_node_seconds_total{node="spectrum"}' in text
            assert "samplemind_worker_restarts_total" in text
            assert "samplemind_queue_depth" in text
            assert 'route="/api/v1/analyze"' in text
            assert "Name of a file" not in text

    @pytest.mark.parametrize(("form", "begins"), [("html", "<!DOCTYPE html>"), ("speedscope", "{")])
    def test_a_profile_is_a_page_or_for_speedscope(self, client: httpx.Client, form: str, begins: str) -> None:
        response = client.get("/debug/profile", params={"seconds": 0.2, "format": form})
        assert response.status_code == 200
        assert response.text.lstrip().startswith(begins)
        if form == "speedscope":
            assert json.loads(response.text)["profiles"]

    def test_json_is_compressed_and_jobs_are_kept_by_nobody(self, client: httpx.Client) -> None:
        audio_id = analyzed(client, sound())["file_digest"]
        with client.stream("GET", f"/audio/{audio_id}/analysis", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["content-encoding"] == "gzip"
            assert json.loads(gzip.decompress(b"".join(response.iter_raw())))["file_digest"] == audio_id
        assert client.get("/jobs").headers["cache-control"] == "no-store"


def read_events(client: httpx.Client, job_id: str, last: str | None = None) -> Iterator[dict[str, Any]]:
    headers = {"Last-Event-ID": last} if last is not None else {}
    with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in response.headers
        event: dict[str, Any] = {}
        for line in response.iter_lines():
            if not line:
                if event:
                    yield event
                event = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = json.loads(value) if name == "data" else value


def test_what_only_analysis_tells_is_not_kept_for_ever(client: httpx.Client) -> None:
    """Nothing in the first bytes of a stream of MPEG frames says that it is one."""
    audio_id = uploaded(client, encoded(noise(1.0), "MP3"), "stream.mp3")
    before = client.get(f"/audio/{audio_id}/content")
    assert before.headers["content-type"] == "application/octet-stream"
    assert before.headers["cache-control"] == "private, no-cache"
    job = client.post(f"/audio/{audio_id}/analysis", params={"level": "basic"}).json()
    assert ended(client, job["id"])["state"] == "done"
    after = client.get(f"/audio/{audio_id}/content")
    assert after.headers["content-type"] == "audio/mpeg"
    assert after.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert after.content == before.content
