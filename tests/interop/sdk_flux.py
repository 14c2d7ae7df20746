"""The recogniser of turns against deepgram-sdk 7.17 (listen v2): sdk_flux.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import json
import sys
import threading
import time

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v2.types import ListenV2Configure, ListenV2ConfigureThresholds
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from proof import Proof, fault, mulaw, murmur, received

BASE = sys.argv[1].rstrip("/")
SOCKET = BASE.replace("http", "ws", 1)
proof = Proof()
CHUNK = 640


def client(key="simulated"):
    environment = DeepgramClientEnvironment(base=BASE, production=SOCKET, agent=SOCKET, agent_rest=BASE)
    return DeepgramClient(api_key=key, environment=environment)


def connect(**options):
    return client().listen.v2.connect(model="flux-general-en", encoding="mulaw", sample_rate="8000", **options)


def listen(sound, force_at=None, before=None, **options):
    """Streams `sound` in real time, 80 ms at a time; gives (seconds since start, message) of all."""
    heard, start = [], time.perf_counter()
    with connect(**options) as socket:
        if before:
            before(socket)

        def read():
            for message in socket:
                heard.append((time.perf_counter() - start, message))

        reader = threading.Thread(target=read)
        reader.start()
        start = time.perf_counter()
        for at in range(0, len(sound), CHUNK):
            if force_at is not None and at / 8000 >= force_at:
                socket.send_force_end_turn()
                force_at = None
            time.sleep(max(0.0, start + (at + CHUNK) / 8000 - time.perf_counter()))
            socket.send_media(sound[at : at + CHUNK])
        socket.send_close_stream()
        reader.join(timeout=5)
        assert not reader.is_alive(), "the simulator did not close the socket"
    return heard


def turns(heard):
    return [(at, m) for at, m in heard if getattr(m, "type", None) == "TurnInfo"]


QUIET = [0] * 4000


@proof.check("a turn: its start, its words so far, its eager end, its end")
def _():
    sound = mulaw(QUIET + murmur(2.4) + QUIET * 2)
    heard = listen(sound, eager_eot_threshold="0.5")
    assert heard[0][1].type == "Connected" and heard[0][1].sequence_id == 0, heard[0]
    assert [m.sequence_id for _, m in heard] == list(range(len(heard)))
    events = [m.event for _, m in turns(heard)]
    spoken = [event for event in events if event != "Update"]
    assert spoken == ["StartOfTurn", "EagerEndOfTurn", "EndOfTurn"], events
    infos = {m.event: (at, m) for at, m in turns(heard)}
    at, end = infos["EndOfTurn"]
    assert end.transcript == "Hello, I would like to book an appointment.", end.transcript
    assert end.transcript == infos["EagerEndOfTurn"][1].transcript and end.trigger == "model"
    # The last burst ends at 0.5 + 2.36 s; the end is promised 250 ms later.
    assert 3.05 < at < 3.3, at
    assert infos["EagerEndOfTurn"][0] < at and end.end_of_turn_confidence >= 0.7
    assert len(end.words) == 8 and abs(end.words[-1].end - 2.86) < 0.05, end.words[-1]
    texts = [m.transcript for _, m in turns(heard)]
    said = [text for text in texts[: texts.index(end.transcript)] if text]
    assert len(said) >= 4 and all(b.startswith(a) for a, b in zip(said, said[1:])), said
    ends = [m.audio_window_end for _, m in turns(heard)]
    assert all(b - a <= 0.34 for a, b in zip(ends, ends[1:])), f"an update each 0.25 s: {ends}"


@proof.check("a turn is ended on command, and eager ends come only when asked for")
def _():
    sound = mulaw(QUIET + murmur(1.4) + QUIET * 4)
    heard = listen(sound, force_at=2.1, eot_threshold="0.9", eot_timeout_ms="5000")
    events = [m.event for _, m in turns(heard) if m.event != "Update"]
    assert events == ["StartOfTurn", "EndOfTurn"], events
    at, end = next((at, m) for at, m in turns(heard) if m.event == "EndOfTurn")
    assert end.trigger == "manual" and end.turn_index == 0 and 2.1 <= at < 2.4, (end.trigger, at)
    assert received(BASE)["stt"]["messages"]["ForceEndTurn"] >= 1


@proof.check("Configure changes what it names, whole or not at all")
def _():
    def before(socket):
        wanted = ListenV2ConfigureThresholds(eot_threshold=0.8, eager_eot_threshold=0.4)
        socket.send_configure(ListenV2Configure(thresholds=wanted, keyterms=["clinic"]))
        socket.send_configure(ListenV2Configure(thresholds=ListenV2ConfigureThresholds(eot_threshold=0.1)))

    heard = [m for _, m in listen(mulaw([0] * 1600), before=before)]
    kinds = [m.type for m in heard if m.type != "TurnInfo"]
    assert kinds == ["Connected", "ConfigureSuccess", "ConfigureFailure"], kinds
    success = heard[1]
    assert success.thresholds.eot_threshold == 0.8 and success.keyterms == ["clinic"], success
    assert success.thresholds.eot_timeout_ms == 5000, "what is not named stays"


@proof.check("what is not of this version is refused, and the statuses of commanded faults reach the client")
def _():
    def refused(**options):
        try:
            with connect(**options):
                raise AssertionError("it was accepted")
        except InvalidStatus as error:
            return error.response

    response = refused(eot_threshold="0.7", eager_eot_threshold="0.8")
    assert response.status_code == 400 and "eager_eot_threshold" in response.headers["dg-error"], response
    for status in (401, 402, 429, 500):
        fault(BASE, service="stt", kind="status", status=status)
        response = refused()
        assert response.status_code == status and json.loads(response.body)["err_code"], response


@proof.check("a commanded drop ends the stream without a closing handshake")
def _():
    fault(BASE, service="stt", kind="drop", ms=200)
    with connect() as socket:
        try:
            while True:
                socket.recv()
        except ConnectionClosedError as error:
            assert error.rcvd is None, error


proof.end()
