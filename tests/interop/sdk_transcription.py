"""The recognisers against openai 3.54, streaming and of files: sdk_transcription.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import base64
import io
import struct
import sys
import threading
import time
import wave

from openai import OpenAI, RateLimitError

from proof import Proof, fault, mulaw, murmur

BASE = sys.argv[1].rstrip("/")
TEXT = "Hello, I would like to book an appointment."
proof = Proof()
client = OpenAI(api_key="simulated", base_url=BASE, websocket_base_url=BASE.replace("http", "ws", 1), max_retries=0)


def listen(sound, model, until, commit_at=None, turn_detection=None):
    """Streams `sound` (µ-law) in real time; gives all events, to the first of the kind `until` at least."""
    heard, has_come = [], threading.Event()
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:

        def read():
            for event in connection:
                heard.append(event)
                if event.type == until:
                    has_come.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        audio = {"format": {"type": "audio/pcmu"}, "transcription": {"model": model, "language": "en"}}
        audio["turn_detection"] = turn_detection
        connection.session.update(session={"type": "transcription", "audio": {"input": audio}})
        start = time.perf_counter()
        for n in range(0, len(sound), 800):
            at = n / 8000
            time.sleep(max(0.0, start + at - time.perf_counter()))
            if commit_at is not None and at >= commit_at:
                connection.input_audio_buffer.commit()
                commit_at = None
            connection.input_audio_buffer.append(audio=base64.b64encode(sound[n : n + 800]).decode())
        has_come.wait(10)  # Whoever misses it finds it missing among what was heard.
    reader.join(timeout=5)
    return heard


def of(heard, kind):
    return [event for event in heard if event.type == kind]


DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@proof.check("a live model tells words as they come and an item when it is committed")
def _():
    heard = listen(mulaw(murmur(1.4) + [0] * 4800), "gpt-live-transcribe", COMPLETED, commit_at=1.6)
    assert [event.type for event in heard[:2]] == ["session.created", "session.updated"], heard[:2]
    committed = of(heard, "input_audio_buffer.committed")
    assert len(committed) == 1 and committed[0].previous_item_id is None, committed
    early = [event for event in of(heard, DELTA) if heard.index(event) < heard.index(committed[0])]
    assert len(early) >= 4, heard
    assert "".join(event.delta for event in of(heard, DELTA)) == TEXT
    done = of(heard, COMPLETED)
    assert [(event.transcript, event.item_id) for event in done] == [(TEXT, committed[0].item_id)], done


@proof.check("server VAD hears where an utterance begins and ends")
def _():
    vad = {"type": "server_vad", "silence_duration_ms": 300}
    heard = listen(mulaw([0] * 2400 + murmur(1.4) + [0] * 6400), "gpt-4o-transcribe", COMPLETED, turn_detection=vad)
    started, stopped = of(heard, "input_audio_buffer.speech_started"), of(heard, "input_audio_buffer.speech_stopped")
    assert len(started) == len(stopped) == 1 and started[0].item_id == stopped[0].item_id, heard
    assert [event.transcript for event in of(heard, COMPLETED)] == [TEXT], heard


@proof.check("what makes no sense is an error that ends nothing")
def _():
    heard = listen(mulaw([0] * 400), "gpt-live-transcribe", "error", commit_at=0.0)
    assert [event.error.code for event in of(heard, "error")] == ["input_audio_buffer_commit_empty"], heard
    heard = listen(mulaw([0] * 400), "gpt-live-transcribe", "error", turn_detection={"type": "server_vad"})
    assert of(heard, "error")[0].error.param == "session.audio.input.turn_detection", heard


def file(seconds):
    """A WAV file of 16 kHz."""
    samples = [0] * 4000 + murmur(seconds, 16000) + [0] * 4000
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16000)
        writer.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return ("utterance.wav", out.getvalue())


# Files share one place in the script.
@proof.check("a file is transcribed, whole and in pieces")
def _():
    assert client.audio.transcriptions.create(model="whisper-1", file=file(1.4)).text == TEXT
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file(1.2), stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text == "Tuesday at two would be perfect.", events
    assert "".join(event.delta for event in events[:-1]) == events[-1].text


@proof.check("a refused file raises the SDK's own error")
def _():
    fault(BASE, service="stt", kind="status", status=429)
    try:
        client.audio.transcriptions.create(model="whisper-1", file=file(0.5))
    except RateLimitError as error:
        assert error.code == "rate_limit_exceeded", error
    else:
        raise AssertionError("it was accepted")


proof.end()
