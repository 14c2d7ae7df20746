"""The recogniser against speechmatics-rt 1.2: sdk_speechmatics.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import asyncio
import logging
import sys

from speechmatics.rt import (
    AsyncClient,
    AudioEncoding,
    AudioFormat,
    ConversationConfig,
    ServerMessageType,
    TranscriptionConfig,
)

from proof import Proof, mulaw, murmur

BASE = sys.argv[1].rstrip("/")
logging.disable(logging.ERROR)
proof = Proof()


async def listen(sound, force_at=None, **config):
    """Streams `sound` (µ-law) in real time; gives all messages."""
    heard = []
    loop = asyncio.get_running_loop()
    async with AsyncClient(api_key="simulated", url=f"{BASE}/v2") as client:
        for kind in ServerMessageType:
            client.on(kind, lambda message: heard.append(message))
        await client.start_session(
            transcription_config=TranscriptionConfig(language="en", enable_partials=True, **config),
            audio_format=AudioFormat(encoding=AudioEncoding.MULAW, sample_rate=8000),
        )
        start = loop.time()
        for n in range(0, len(sound), 800):
            at = n / 8000
            if force_at is not None and at >= force_at:
                await client.force_end_of_utterance()
                force_at = None
            await asyncio.sleep(max(0.0, start + at - loop.time()))
            await client.send_audio(sound[n : n + 800])
        await asyncio.wait_for(client.stop_session(), 5)
    return heard


def of(heard, kind):
    return [message for message in heard if message["message"] == kind]


@proof.check("partials, finals with their words, and the end of an utterance")
def _():
    pause = ConversationConfig(end_of_utterance_silence_trigger=0.5)
    heard = asyncio.run(listen(mulaw(murmur(1.6) + [0] * 8000), max_delay=1.0, conversation_config=pause))
    text = "".join(message["metadata"]["transcript"] for message in of(heard, "AddTranscript"))
    assert text.strip() == "Hello, I would like to book an appointment.", text
    assert len(of(heard, "AddPartialTranscript")) >= 4
    results = [result for message in of(heard, "AddTranscript") for result in message["results"]]
    assert {result["type"] for result in results} == {"word", "punctuation"}, results
    assert len(of(heard, "EndOfUtterance")) == 1
    added = of(heard, "AudioAdded")
    assert [message["seq_no"] for message in added] == list(range(1, len(added) + 1))
    assert heard[0]["message"] == "RecognitionStarted" and heard[-1]["message"] == "EndOfTranscript"


@proof.check("an utterance ends when the client says so")
def _():
    heard = asyncio.run(listen(mulaw(murmur(1.4) + [0] * 4000), force_at=1.55))
    kinds = [message["message"] for message in heard if message["message"] in ("AddTranscript", "EndOfUtterance")]
    assert kinds == ["AddTranscript", "EndOfUtterance"], kinds


@proof.check("a pause longer than the delay is refused")
def _():
    pause = ConversationConfig(end_of_utterance_silence_trigger=1.5)
    try:
        asyncio.run(listen(b"", max_delay=1.0, conversation_config=pause))
    except Exception as error:
        assert "max_delay" in str(error), error
    else:
        raise AssertionError("it was accepted")


proof.end()
