"""The recogniser against gladiaio-sdk 2.2 (live v2): sdk_gladia.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import sys
import threading
import time

from gladiaio_sdk import GladiaClient

from proof import Proof, fault, mulaw, murmur, received

BASE = sys.argv[1].rstrip("/")
CHUNK = 800
proof = Proof()


class Listener:
    """One session and all that was told of it: (seconds since start, message)."""

    def __init__(self, key="simulated", **options):
        self.heard, self.connected, self.errors = [], 0, []
        self.start, self.over = time.perf_counter(), threading.Event()
        messages = {"receive_partial_transcripts": True, "receive_lifecycle_events": True, "receive_acknowledgments": True}
        request = {
            "encoding": "wav/ulaw",
            "bit_depth": 8,
            "sample_rate": 8000,
            "channels": 1,
            "endpointing": 0.05,
            "messages_config": {**messages, "receive_speech_events": True, "receive_final_transcripts": True},
            **options,
        }
        self.session = GladiaClient(api_key=key, api_url=BASE).live_v2().start_session(request)
        self.session.on("message", lambda message: self.heard.append((time.perf_counter() - self.start, message)))
        self.session.on("connected", self.count)
        self.session.on("error", self.errors.append)
        self.session.on("ended", lambda _: self.over.set())

    def count(self, _):
        self.connected += 1

    def speak(self, sound):
        assert self.session.wait_until_ready(5), self.errors
        self.start = time.perf_counter()
        for at in range(0, len(sound), CHUNK):
            time.sleep(max(0.0, self.start + (at + CHUNK) / 8000 - time.perf_counter()))
            self.session.send_audio(sound[at : at + CHUNK])
        return self

    def end(self):
        self.session.stop_recording()
        assert self.over.wait(5), "the session did not end"
        return self

    def kinds(self):
        return [message.type for _, message in self.heard]

    def transcripts(self):
        return [(at, message.data) for at, message in self.heard if message.type == "transcript"]


QUIET = [0] * 4000


@proof.check("a session: its events, its partial words, its final ones, and all sound acknowledged")
def _():
    sound = mulaw(QUIET + murmur(2.4) + QUIET * 2)
    listener = Listener().speak(sound).end()
    kinds = [kind for kind in listener.kinds() if kind not in ("audio_chunk", "transcript")]
    assert kinds[0] == "start_session" and kinds[-1] == "end_session", kinds
    assert kinds[1:3] == ["speech_start", "speech_end"] and "end_recording" in kinds, kinds
    finals = [(at, data) for at, data in listener.transcripts() if data.is_final]
    assert [data.utterance.text for _, data in finals] == ["Hello, I would like to book an appointment."], finals
    at, final = finals[0]
    # The last burst ends at 0.5 + 2.36 s; the final is promised 250 ms later.
    assert 3.05 < at < 3.3, at
    assert abs(final.utterance.end - 2.86) < 0.05 and len(final.utterance.words) == 8, final.utterance
    partial = [data for _, data in listener.transcripts() if not data.is_final]
    assert len(partial) >= 5 and all(data.id == final.id for data in partial), partial
    acknowledged = [message.data.byte_range for _, message in listener.heard if message.type == "audio_chunk"]
    assert acknowledged[0][0] == 0 and acknowledged[-1][1] == len(sound), acknowledged[-1]
    assert all(a[1] == b[0] for a, b in zip(acknowledged, acknowledged[1:])), "without a gap"
    assert not listener.errors, listener.errors


@proof.check("a session whose connection was dropped goes on where its sound was acknowledged")
def _():
    fault(BASE, service="stt", kind="drop", ms=1500)
    sound = mulaw(QUIET + murmur(2.4) + QUIET * 3)
    listener = Listener().speak(sound).end()
    assert listener.connected == 2, listener.connected
    said = [data.utterance.text for _, data in listener.transcripts() if data.is_final]
    assert said == ["Hello, I would like to book an appointment."], said
    acknowledged = [message.data.byte_range[1] for _, message in listener.heard if message.type == "audio_chunk"]
    assert acknowledged[-1] == len(sound), (acknowledged[-1], len(sound))


@proof.check("a session that is over is found out by connecting to it; what is wrong with a request is told")
def _():
    wrong = Listener(sample_rate=11025)
    assert wrong.over.wait(5) and "400" in str(wrong.errors[0]), wrong.errors
    assert received(BASE)["stt"]["refused"] >= 1


@proof.check("the statuses of commanded faults reach the client")
def _():
    for status in (401, 402):
        fault(BASE, service="stt", kind="status", status=status)
        refused = Listener()
        assert refused.over.wait(5) and str(status) in str(refused.errors[0]), refused.errors
    # It asks once more by itself.
    fault(BASE, service="stt", kind="status", status=500)
    assert Listener().speak(mulaw(QUIET)).end().connected == 1


proof.end()
