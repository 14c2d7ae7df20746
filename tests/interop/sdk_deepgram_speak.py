"""Deepgram's voice against deepgram-sdk 7.17: sdk_deepgram_speak.py BASE_URL."""

import sys
import time

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types.speak_v1text import SpeakV1Text
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from proof import Proof, fault, received

BASE = sys.argv[1].rstrip("/")
SOCKET = BASE.replace("http", "ws", 1)
proof = Proof()
SENTENCE = "Good afternoon, this is the clinic. "


def connect(**options):
    environment = DeepgramClientEnvironment(base=BASE, production=SOCKET, agent=SOCKET, agent_rest=BASE)
    options = {"model": "aura-2-thalia-en", "encoding": "mulaw", "sample_rate": "8000", **options}
    return DeepgramClient(api_key="simulated", environment=environment).speak.v1.connect(**options)


def until(socket, kind):
    """Sound and messages up to one of a kind."""
    sound, messages = b"", []
    while True:
        message = socket.recv()
        if isinstance(message, bytes):
            sound += message
            continue
        messages.append(message)
        if message.type == kind:
            return sound, messages


@proof.check("text waits for its flush, then comes as sound, then as Flushed")
def _():
    with connect() as socket:
        for _ in range(2):
            socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE))
        start = time.perf_counter()
        socket.send_flush()
        sound, messages = until(socket, "Flushed")
        took = time.perf_counter() - start
        assert [m.type for m in messages] == ["Metadata", "Flushed"] and messages[1].sequence_id == 0, messages
        seconds = len(sound) / 8000
        assert 0.25 < seconds / len(SENTENCE.split() * 2) < 0.5 and took < 1.5 + seconds / 8, (seconds, took)
        socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE))
        socket.send_flush()
        again, messages = until(socket, "Flushed")
        assert messages[-1].sequence_id == 1 and 0.4 < len(again) / len(sound) < 0.6, (messages, len(again), len(sound))
        socket.send_close()
    assert received(BASE)["tts"]["last_text"] == SENTENCE


@proof.check("every form of sound lasts equally long")
def _():
    lengths = []
    for encoding, rate, size in (("mulaw", 8000, 1), ("alaw", 16000, 1), ("linear16", 24000, 2), ("linear16", 48000, 2)):
        with connect(encoding=encoding, sample_rate=str(rate)) as socket:
            socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE))
            socket.send_flush()
            lengths.append(len(until(socket, "Flushed")[0]) / rate / size)
    assert max(lengths) - min(lengths) < 0.002, lengths


@proof.check("Clear throws away what was not sent and is answered")
def _():
    with connect() as socket:
        socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE * 10))
        socket.send_flush()
        while not isinstance(socket.recv(), bytes):
            pass
        socket.send_clear()
        rest, messages = until(socket, "Cleared")
        assert len(rest) / 8000 < 5, "it was on its way already"
        socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE))
        socket.send_flush()
        sound, messages = until(socket, "Flushed")
        assert 1 < len(sound) / 8000 < 3.5, len(sound)


@proof.check("the 21st flush within a minute is warned of")
def _():
    with connect() as socket:
        for _ in range(21):
            socket.send_flush()
        _, messages = until(socket, "Warning")
        assert messages[-1].code and messages[-1].description, messages


@proof.check("what is wrong is refused, and the statuses of commanded faults reach the client")
def _():
    for options in ({"sample_rate": "11025"}, {"model": "nova-3"}):
        try:
            with connect(**options):
                raise AssertionError("it was accepted")
        except InvalidStatus as error:
            assert error.response.status_code == 400, error
    for status in (401, 402, 429, 500):
        fault(BASE, service="tts", kind="status", status=status)
        try:
            with connect():
                raise AssertionError("it was accepted")
        except InvalidStatus as error:
            assert error.response.status_code == status, error


@proof.check("a commanded drop ends the stream without a closing handshake")
def _():
    fault(BASE, service="tts", kind="drop", after=2)
    with connect() as socket:
        socket.send_text(SpeakV1Text(type="Speak", text=SENTENCE))
        socket.send_flush()
        try:
            until(socket, "Flushed")
            raise AssertionError("it went on")
        except ConnectionClosedError as error:
            assert error.rcvd is None, error


proof.end()
