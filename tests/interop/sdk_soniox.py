"""The recogniser against soniox 2.10: sdk_soniox.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import sys
import threading
import time

from soniox import SonioxClient
from soniox.errors import SonioxRealtimeError
from soniox.types.realtime import RealtimeSTTConfig

from proof import Proof, fault, mulaw, murmur, received

BASE = sys.argv[1].rstrip("/")
proof = Proof()


def listen(sound, finalize_at=None, **options):
    """Streams `sound` (µ-law) in real time; gives all events."""
    client = SonioxClient(api_key="simulated", websocket_base_url=f"{BASE}/transcribe-websocket")
    config = RealtimeSTTConfig(model="stt-rt-v5", audio_format="mulaw", sample_rate=8000, num_channels=1, **options)
    heard = []
    with client.realtime.stt.connect(config=config) as session:
        reader = threading.Thread(target=lambda: heard.extend(session.receive_events()))
        reader.start()
        start = time.perf_counter()
        for n in range(0, len(sound), 960):
            at = n / 8000
            if finalize_at is not None and at >= finalize_at:
                session.finalize()
                finalize_at = None
            time.sleep(max(0.0, start + at - time.perf_counter()))
            session.send_byte_chunk(sound[n : n + 960])
        session.keep_alive()
        session.finish()
        reader.join(timeout=5)
        assert not reader.is_alive(), "the simulator did not end the stream"
    return heard


def finals(heard):
    return "".join(token.text for event in heard for token in event.tokens if token.is_final)


@proof.check("tokens settle once, an endpoint and the end are told")
def _():
    heard = listen(mulaw(murmur(1.6) + [0] * 8000), enable_endpoint_detection=True, max_endpoint_delay_ms=1000)
    assert finals(heard) == " Hello, I would like to book an appointment.<end>", finals(heard)
    partial = ["".join(t.text for t in event.tokens) for event in heard if any(not t.is_final for t in event.tokens)]
    assert len(partial) >= 4 and all(b.startswith(a) for a, b in zip(partial, partial[1:])), partial
    assert heard[-1].finished and heard[-1].total_audio_proc_ms >= 2590, heard[-1]
    assert received(BASE)["stt"]["messages"]["KeepAlive"] >= 1


@proof.check("finalize settles what there is and says so")
def _():
    heard = listen(mulaw(murmur(1.4) + [0] * 4000), finalize_at=1.55)
    assert finals(heard).endswith("appointment.<fin>") and "<end>" not in finals(heard), finals(heard)


@proof.check("errors are told in the stream")
def _():
    fault(BASE, service="stt", kind="status", status=429)
    try:
        heard = listen(mulaw([0] * 1600))
    except SonioxRealtimeError:
        return
    assert heard and heard[-1].error_code == 429, heard


proof.end()
