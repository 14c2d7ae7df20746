"""The recogniser against elevenlabs 2.78: sdk_scribe.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import asyncio
import base64
import sys

from elevenlabs.realtime.connection import RealtimeEvents
from elevenlabs.realtime.scribe import AudioFormat, CommitStrategy, ScribeRealtime

from proof import Proof, fault, mulaw, murmur

BASE = sys.argv[1].rstrip("/").replace("http", "ws", 1)
proof = Proof()


async def listen(sound, until, commit_at=None, **options):
    """Streams `sound` (µ-law) in real time; gives all messages, to the first of the kind `until` at least."""
    heard, loop, has_come = [], asyncio.get_running_loop(), asyncio.Event()

    def note(message):
        heard.append(message)
        if message["message_type"] == until:
            has_come.set()

    connection = await ScribeRealtime("simulated", BASE).connect(
        {"model_id": "scribe_v2_realtime", "audio_format": AudioFormat.ULAW_8000, "sample_rate": 8000, **options}
    )
    for event in RealtimeEvents:
        if event not in (RealtimeEvents.OPEN, RealtimeEvents.CLOSE, RealtimeEvents.ERROR):
            connection.on(event, note)
    start = loop.time()
    for n in range(0, len(sound), 800):
        at = n / 8000
        await asyncio.sleep(max(0.0, start + at - loop.time()))
        if commit_at is not None and at >= commit_at:
            await connection.commit()
            commit_at = None
        await connection.send({"audio_base_64": base64.b64encode(sound[n : n + 800]).decode()})
    try:
        await asyncio.wait_for(has_come.wait(), 10)
    except asyncio.TimeoutError:
        pass  # The caller misses it among what was heard.
    await connection.close()
    return heard


def of(heard, kind):
    return [message for message in heard if message["message_type"] == kind]


TIMED = "committed_transcript_with_timestamps"
TEXT = "Hello, I would like to book an appointment."


@proof.check("words are committed when the client says so")
def _():
    heard = asyncio.run(listen(mulaw(murmur(1.4) + [0] * 4800), TIMED, commit_at=1.6, include_timestamps=True))
    assert heard[0]["message_type"] == "session_started", heard[0]
    partial = [message["text"] for message in of(heard, "partial_transcript")]
    assert len(partial) >= 4 and all(b.startswith(a) for a, b in zip(partial, partial[1:])), partial
    assert [message["text"] for message in of(heard, "committed_transcript")] == [TEXT], heard
    words = of(heard, TIMED)[0]["words"]
    assert "".join(word["text"] for word in words) == TEXT, words


@proof.check("words are committed after a pause")
def _():
    vad = {"commit_strategy": CommitStrategy.VAD, "vad_silence_threshold_secs": 0.4}
    heard = asyncio.run(listen(mulaw(murmur(1.4) + [0] * 8000), "committed_transcript", **vad))
    assert [message["text"] for message in of(heard, "committed_transcript")] == [TEXT], heard


@proof.check("too little to commit and troubles are told in the stream")
def _():
    heard = asyncio.run(listen(mulaw([0] * 3200), "commit_throttled", commit_at=0.1))
    assert of(heard, "commit_throttled"), heard
    fault(BASE.replace("ws", "http", 1), service="stt", kind="status", status=402)
    try:
        heard = asyncio.run(listen(mulaw([0] * 800), "quota_exceeded"))
    except Exception:
        return  # The socket was closed before all was sent.
    assert of(heard, "quota_exceeded"), heard


proof.end()
