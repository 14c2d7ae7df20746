"""The recogniser against deepgram-sdk 7.17: sdk_deepgram.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import json
import struct
import sys
import threading
import time

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from proof import Proof, fault, mulaw, murmur, received

BASE = sys.argv[1].rstrip("/")
SOCKET = BASE.replace("http", "ws", 1)
proof = Proof()


def client(key="simulated"):
    environment = DeepgramClientEnvironment(base=BASE, production=SOCKET, agent=SOCKET, agent_rest=BASE)
    return DeepgramClient(api_key=key, environment=environment)


def listen(sound, chunk, finalize_at=None, before=None, **options):
    """Streams `sound` in real time, 20 ms of `chunk` bytes at a time; gives (seconds since start, message) of all."""
    heard, start = [], time.perf_counter()
    with client().listen.v1.connect(model="nova-3", **options) as socket:
        if before:
            before(socket)

        def read():
            for message in socket:
                heard.append((time.perf_counter() - start, message))

        reader = threading.Thread(target=read)
        reader.start()
        start = time.perf_counter()
        for n in range(0, len(sound), chunk):
            if finalize_at is not None and n // chunk * 0.02 >= finalize_at:
                socket.send_finalize()
                heard.append((time.perf_counter() - start, "asked"))
                finalize_at = None
            due = start + (n // chunk + 1) * 0.02
            time.sleep(max(0.0, due - time.perf_counter()))
            socket.send_media(sound[n : n + chunk])
        socket.send_close_stream()
        reader.join(timeout=5)
        assert not reader.is_alive(), "the simulator did not close the socket"
    return heard


def results(heard):
    return [(at, m) for at, m in heard if getattr(m, "type", None) == "Results"]


def text(message):
    return message.channel.alternatives[0].transcript


MULAW = {"encoding": "mulaw", "sample_rate": "8000", "interim_results": "true"}


@proof.check("a conversation: a sentence, a cough, a hum, another sentence")
def _():
    quiet = [0] * 8000
    sound = quiet[:4000] + murmur(2.4) + quiet + murmur(0.2) + quiet + murmur(0.56) + quiet + murmur(1.8) + quiet[:5000]
    heard = listen(
        mulaw(sound), 160, endpointing="100", punctuate="true", vad_events="true", utterance_end_ms="1000", **MULAW
    )
    finals = [(at, m) for at, m in results(heard) if m.is_final]
    said = [text(m) for _, m in finals if m.speech_final]
    assert said == [
        "Hello, I would like to book an appointment.",
        "",
        "Mm-hmm.",
        "Tuesday at two would be perfect.",
    ], said
    at, sentence = finals[0]
    # The last burst ends at 0.5 + 2.36 s; the final is promised 250 ms later.
    assert 3.06 < at < 3.2, at
    words = sentence.channel.alternatives[0].words
    assert [w.word for w in words] == "hello i would like to book an appointment".split(), words
    assert words[0].punctuated_word == "Hello," and words[-1].punctuated_word == "appointment."
    assert abs(words[0].start - 0.5) < 0.05 and abs(words[-1].end - 2.86) < 0.05, (words[0], words[-1])
    assert all(a.end <= b.start + 1e-6 for a, b in zip(words, words[1:]))
    interims = [text(m) for at, m in results(heard) if not m.is_final and at < finals[0][0]]
    assert len(interims) >= 5 and all(b.startswith(a) for a, b in zip(interims, interims[1:])), interims
    started = [m.timestamp for _, m in heard if getattr(m, "type", None) == "SpeechStarted"]
    assert len(started) == 4 and abs(started[0] - 0.5) < 0.05, started
    ends = [m.last_word_end for _, m in heard if getattr(m, "type", None) == "UtteranceEnd"]
    assert ends and abs(ends[0] - 2.86) < 0.05, ends
    metadata = heard[-1][1]
    assert metadata.type == "Metadata" and abs(metadata.duration - len(sound) / 8000) < 0.03, metadata
    assert metadata.channels == 1 and len(metadata.sha256) == 64 and metadata.request_id == sentence.metadata.request_id


@proof.check("linear16 at 16 kHz, finalized while the client says the voice has ended")
def _():
    sound = struct.pack("<48000h", *(murmur(1.4, 16000) + [0] * 25600))
    heard = listen(
        sound, 640, finalize_at=1.5, encoding="linear16", sample_rate="16000", interim_results="false", endpointing="500"
    )
    asked = next(at for at, m in heard if m == "asked")
    at, final = next((at, m) for at, m in results(heard) if text(m))
    assert final.is_final and final.from_finalize, final
    # Neither punctuate nor smart_format was asked for.
    assert text(final) == "hello i would like to book an appointment", text(final)
    assert final.channel.alternatives[0].words[0].punctuated_word is None
    assert 0.02 <= at - asked < 1.0, at - asked
    assert all(m.is_final for _, m in results(heard)), "no interims were asked for"


@proof.check("KeepAlive and Configure are understood, what is not asked for is not sent")
def _():
    from deepgram.listen.v1.types.listen_v1configure import ListenV1Configure

    def before(socket):
        socket.send_keep_alive()
        socket.send_configure(ListenV1Configure(keyterms=["clinic"]))

    heard = listen(mulaw([0] * 1600), 160, before=before, encoding="mulaw", sample_rate="8000")
    kinds = [m.type for _, m in heard]
    assert kinds == ["ConfigureSuccess", "Metadata"], kinds
    assert heard[0][1].keyterms == ["clinic"]
    assert received(BASE)["stt"]["messages"]["KeepAlive"] >= 1


def refused(**options):
    """The response to an upgrade that fails: the SDK lets the error of its WebSocket library through."""
    try:
        with client().listen.v1.connect(model="nova-3", **options):
            raise AssertionError("it was accepted")
    except InvalidStatus as error:
        return error.response


@proof.check("raw audio without a rate is refused with 400")
def _():
    response = refused(encoding="mulaw")
    assert response.status_code == 400 and "sample_rate" in response.headers["dg-error"], response
    body = json.loads(response.body)
    assert "sample_rate" in body["err_msg"] and body["request_id"] == response.headers["dg-request-id"], body


@proof.check("the statuses of commanded faults reach the client")
def _():
    for status in (401, 402, 429, 500):
        fault(BASE, service="stt", kind="status", status=status)
        response = refused(encoding="mulaw", sample_rate="8000")
        assert response.status_code == status and json.loads(response.body)["err_code"], response


@proof.check("a commanded drop ends the stream without a closing handshake")
def _():
    fault(BASE, service="stt", kind="drop", ms=200)
    with client().listen.v1.connect(model="nova-3", encoding="mulaw", sample_rate="8000") as socket:
        start = time.perf_counter()
        try:
            while True:
                socket.recv()
        except ConnectionClosedError as error:
            assert error.rcvd is None, error
        took = time.perf_counter() - start
    assert 0.1 < took < 1.5, took


proof.end()
