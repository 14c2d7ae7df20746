"""The voice against cartesia 4.2: sdk_cartesia.py BASE_URL."""

import sys
import time

from cartesia import Cartesia
from websockets.exceptions import ConnectionClosed, InvalidStatus

from proof import Proof, fault, received

BASE = sys.argv[1].rstrip("/")
client = Cartesia(api_key="simulated", base_url=BASE, websocket_base_url=BASE.replace("http", "ws", 1))
proof = Proof()
SENTENCES = ["Good afternoon, this is the clinic. ", "How may I help you today?"]
WORDS = "".join(SENTENCES).split()
SETTINGS = {
    "model_id": "sonic-3",
    "voice": {"mode": "id", "id": "a-voice"},
    "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
    "max_buffer_delay_ms": 0,
    "add_timestamps": True,
    "timeout": 5.0,
}


def spoken(events):
    """Sound, words and the kinds of the events of a context."""
    sound, words, kinds = b"", [], []
    for event in events:
        kinds.append(event.type)
        if event.type == "chunk":
            sound += event.audio
        elif event.type == "timestamps":
            times = event.word_timestamps
            words += zip(times.words, times.start, times.end)
    return sound, words, kinds


@proof.check("two sentences in one context: sound, words on one clock, done")
def _():
    with client.tts.websocket_connect() as connection:
        context = connection.context(**SETTINGS)
        start = time.perf_counter()
        for sentence in SENTENCES:
            context.push(sentence)
        context.no_more_inputs()
        sound, words, kinds = spoken(context.receive())
        took = time.perf_counter() - start
    assert kinds[-1] == "done" and kinds.count("done") == 1, kinds
    seconds = len(sound) / 8000
    assert 0.25 < seconds / len(WORDS) < 0.45 and took < 1.5 + seconds / 8, (seconds, took)
    assert [word for word, *_ in words] == WORDS, words
    assert all(a[2] <= b[1] + 0.002 for a, b in zip(words, words[1:])), words
    assert words[-1][2] <= seconds, (words[-1], seconds)


@proof.check("every form of sound lasts equally long")
def _():
    lengths = []
    forms = (("pcm_mulaw", 8000, 1), ("pcm_alaw", 8000, 1), ("pcm_s16le", 16000, 2), ("pcm_s16le", 44100, 2))
    for encoding, rate, size in forms:
        form = {"container": "raw", "encoding": encoding, "sample_rate": rate}
        with client.tts.websocket_connect() as connection:
            context = connection.context(**{**SETTINGS, "output_format": form})
            context.push(SENTENCES[0])
            context.no_more_inputs()
            lengths.append(len(spoken(context.receive())[0]) / rate / size)
    assert max(lengths) - min(lengths) < 0.002, lengths


@proof.check("contexts of one connection do not mix, and a cancelled one falls silent")
def _():
    with client.tts.websocket_connect() as connection:
        first, second = (connection.context(**SETTINGS) for _ in range(2))
        first.push(SENTENCES[0] * 8)
        second.push(SENTENCES[1])
        second.no_more_inputs()
        next(event for event in first.receive() if event.type == "chunk")
        first.cancel()
        sound, words, kinds = spoken(second.receive())
        assert kinds[-1] == "done" and [word for word, *_ in words] == SENTENCES[1].split(), (words, kinds)
        third = connection.context(**SETTINGS)
        third.push(SENTENCES[1])
        third.no_more_inputs()
        again, words, kinds = spoken(third.receive())
        assert again and sound and kinds[-1] == "done" and [word for word, *_ in words] == SENTENCES[1].split(), words
    assert received(BASE)["tts"]["broken_off"] >= 1


@proof.check("a flush is answered behind the sound of what came before it")
def _():
    with client.tts.websocket_connect() as connection:
        context = connection.context(**SETTINGS)
        context.push(SENTENCES[0])
        context.push("", flush=True)
        context.push(SENTENCES[1])
        context.no_more_inputs()
        kinds = spoken(context.receive())[2]
    at = kinds.index("flush_done")
    assert "chunk" in kinds[:at] and "chunk" in kinds[at:] and kinds[-1] == "done", kinds


@proof.check("what is wrong is told in the context")
def _():
    for wrong in (
        {"output_format": {"container": "mp3", "encoding": "pcm_mulaw", "sample_rate": 8000}},
        {"model_id": ""},
        {"generation_config": {"speed": 3.0}},
    ):
        with client.tts.websocket_connect() as connection:
            context = connection.context(**{**SETTINGS, **wrong})
            context.push(SENTENCES[0])
            error = list(context.receive())[-1]
            assert error.type == "error" and error.status_code == 400 and error.error_code, error


@proof.check("the statuses of commanded faults reach the client")
def _():
    for status in (401, 402, 429, 500):
        fault(BASE, service="tts", kind="status", status=status)
        try:
            with client.tts.websocket_connect():
                raise AssertionError("it was accepted")
        except InvalidStatus as error:
            assert error.response.status_code == status, error


@proof.check("a commanded drop ends the connection without a closing handshake")
def _():
    fault(BASE, service="tts", kind="drop", after=2)
    try:
        with client.tts.websocket_connect() as connection:
            context = connection.context(**SETTINGS)
            context.push(SENTENCES[0])
            list(context.receive())
            raise AssertionError("it went on")
    except ConnectionClosed as error:
        assert error.rcvd is None, error


proof.end()
