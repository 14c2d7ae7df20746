"""The recogniser against assemblyai 1.8 (streaming v3): sdk_assemblyai.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import logging
import sys
import threading
import time

from assemblyai.streaming.v3 import (
    Encoding,
    RealTimeEvents,
    RealTimeParameters,
    RealTimeTranscriber,
    RealTimeTranscriberOptions,
    SpeechModel,
)

from proof import Proof, fault, mulaw, murmur, received

BASE = sys.argv[1].rstrip("/")
SOCKET = BASE.replace("http", "ws", 1)
CHUNK = 400
proof = Proof()
# It tells every error there as well as to us.
logging.getLogger("assemblyai").setLevel(logging.CRITICAL)
logging.getLogger("assemblyai.streaming.v3.client").setLevel(logging.CRITICAL)


class Listener:
    """One session and all that was told of it: (seconds since start, event)."""

    def __init__(self, key="simulated", **options):
        self.heard, self.start, self.over = [], time.perf_counter(), threading.Event()
        host = RealTimeTranscriberOptions(api_key=key, api_host=SOCKET, max_connection_retries=0)
        self.client = RealTimeTranscriber(host)
        for event in RealTimeEvents:
            self.client.on(event, self.take)
        wanted = {"speech_model": SpeechModel.universal_streaming_english, **options}
        self.client.connect(RealTimeParameters(sample_rate=8000, encoding=Encoding.pcm_mulaw, **wanted))

    def take(self, _, event):
        self.heard.append((time.perf_counter() - self.start, event))
        if isinstance(event, Exception):
            self.over.set()

    def speak(self, sound, chunk=CHUNK, speed=1.0):
        self.start = time.perf_counter()
        for at in range(0, len(sound), chunk):
            time.sleep(max(0.0, self.start + (at + chunk) / 8000 / speed - time.perf_counter()))
            self.client.stream(sound[at : at + chunk])
        return self

    def end(self):
        self.client.disconnect(terminate=True)
        return self.heard

    def kinds(self):
        return [getattr(event, "type", type(event).__name__) for _, event in self.heard]

    def turns(self):
        return [(at, event) for at, event in self.heard if getattr(event, "type", None) == "Turn"]


QUIET = [0] * 4000


@proof.check("a turn ends twice, first as it was heard and then as it is written")
def _():
    listener = Listener(format_turns=True, keyterms_prompt=["appointment"])
    listener.speak(mulaw(QUIET + murmur(2.4) + QUIET * 2)).end()
    kinds = listener.kinds()
    assert kinds[0] == "Begin" and kinds[-1] == "Termination" and "SpeechStarted" in kinds, kinds
    ends = [(at, turn) for at, turn in listener.turns() if turn.end_of_turn]
    assert [turn.turn_is_formatted for _, turn in ends] == [False, True], ends
    (at, plain), (_, formatted) = ends
    assert plain.transcript == "hello i would like to book an appointment", plain.transcript
    assert formatted.transcript == "Hello, I would like to book an appointment.", formatted.transcript
    assert plain.turn_order == formatted.turn_order == 0
    # The last burst ends at 0.5 + 2.36 s; the end is promised 250 ms later.
    assert 3.05 < at < 3.3, at
    assert abs(plain.words[-1].end - 2860) < 50 and all(word.word_is_final for word in plain.words), plain.words[-1]
    partial = [turn for _, turn in listener.turns() if not turn.end_of_turn]
    assert len(partial) >= 5 and not partial[-1].words[-1].word_is_final, "the last word may still change"
    assert all(len(turn.transcript.split()) == len(turn.words) - 1 for turn in partial)


@proof.check("a turn is ended on command")
def _():
    listener = Listener(format_turns=False, min_turn_silence=3000)
    listener.speak(mulaw(QUIET + murmur(1.4) + QUIET))
    asked = time.perf_counter() - listener.start
    listener.client.force_endpoint()
    listener.client.keep_alive()
    listener.speak(mulaw(QUIET)).end()
    ends = [turn for _, turn in listener.turns() if turn.end_of_turn]
    assert len(ends) == 1 and ends[0].transcript and not ends[0].turn_is_formatted, ends
    assert asked < 2.7
    messages = received(BASE)["stt"]["messages"]
    assert messages["ForceEndpoint"] >= 1 and messages["KeepAlive"] >= 1, messages


def broken(listener):
    assert listener.over.wait(5), listener.heard
    error = next(event for _, event in listener.heard if isinstance(event, Exception))
    listener.client.disconnect()
    return error


@proof.check("sound in too small pieces and much too fast is refused")
def _():
    small = Listener()
    small.speak(mulaw([0] * 320), chunk=160)
    assert broken(small).code == 3007
    fast = Listener()
    fast.speak(mulaw([0] * 40000), speed=20)
    assert broken(fast).code == 3007


@proof.check("the statuses of commanded faults and a missing key reach the client")
def _():
    for status in (401, 402, 429, 500):
        fault(BASE, service="stt", kind="status", status=status)
        assert broken(Listener()).code == status
    assert broken(Listener(key="Token simulated")).code == 401, "the key stands alone"


@proof.check("a commanded drop is told as a broken connection")
def _():
    fault(BASE, service="stt", kind="drop", ms=200)
    listener = Listener()
    broken(listener)
    assert "Termination" not in listener.kinds()


proof.end()
