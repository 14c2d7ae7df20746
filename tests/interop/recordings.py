#!/usr/bin/env python3
# interop: fast
# apt: ffmpeg
# limit: 90
"""Recordings as ffmpeg reads them: each format, of a call that ended and of one whose server was killed in the middle.

The agent's side must be what came over the line: to the bit in µ-law, and at its place with the codec's loss in Opus.
"""

import array
import json
import socket
import struct
import subprocess
import time

from proof import Proof
from server import LINEAR, Server, silence, speech

proof = Proof()
CODECS = {"pcm16": "pcm_s16le", "ulaw": "pcm_mulaw", "opus": "opus"}
# Quiet while the agent greets.
CALLER = silence(2.5) + speech("caller-booking") + speech("caller-time")


def call(format, kill):
    """Holds a call of 4 s; gives the agent's sound as it was stamped (packets by their sample) and the recording."""
    server = Server(recording=format)
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.bind(("127.0.0.1", 0))
    call_id, there = server.attach("%s:%d" % caller.getsockname())
    caller.settimeout(0.001)
    came, origin = {}, None
    began = time.monotonic()
    for n in range(1500):
        at = n * 160 % len(CALLER)
        caller.sendto(struct.pack("!BBHII", 0x80, 0, n, n * 160, 7) + CALLER[at : at + 160].ljust(160, b"\xff"), there)
        while time.monotonic() < began + (n + 1) * 0.02:
            try:
                packet = caller.recv(2048)
            except TimeoutError:
                continue
            if len(packet) == 172 and packet[1] & 0x7F == 0:
                stamp = struct.unpack("!I", packet[4:8])[0]
                origin = stamp if origin is None else origin
                came[(stamp - origin) & 0xFFFF_FFFF] = packet[12:]
        if came and max(came) >= 4 * 8000:
            break
    assert came and max(came) >= 4 * 8000, "the agent was not heard"
    if kill:
        server.process.kill()
        server.process.wait(5)
    else:
        server.ask("DELETE", f"/v1/media/legs/{call_id}")
        server.stop()
    recording = server.folder / "recordings" / f"{call_id}.{'ogg' if format == 'opus' else 'wav'}"
    return came, recording


def read(recording):
    """What ffprobe says of it, both sides as ffmpeg decodes them, and what it complains of."""
    show = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", recording]
    stream = json.loads(subprocess.run(show, capture_output=True, check=True).stdout)["streams"][0]
    decode = ["ffmpeg", "-v", "error", "-nostdin", "-i", recording, "-f", "s16le", "-ar", "8000", "pipe:1"]
    done = subprocess.run(decode, capture_output=True, check=True)
    samples = array.array("h", done.stdout)
    return stream, (samples[0::2], samples[1::2]), done.stderr.decode()


def laid(came):
    """The agent's packets as one row of samples; None where a packet is missing (the machine was held up)."""
    row = [None] * (max(came) + 160)
    for at, payload in came.items():
        row[at : at + 160] = (LINEAR[byte] for byte in payload)
    return row


def to_the_bit(kept, came):
    """Whether all that came stands in what was kept, at one place."""
    known = [(at, sample) for at, sample in enumerate(came) if sample is not None]
    return any(
        all(kept[place + at] == sample for at, sample in known if place + at < len(kept)) for place in range(8000)
    )


def likeness(kept, came):
    """How much of the agent's sound that came is the same in what was kept (1: all), at the best place for it."""
    size = min(len(kept), len(came)) - 400
    known = [at for at, sample in enumerate(came[:size]) if sample is not None]
    came = [came[at] for at in known]
    power = sum(sample * sample for sample in came)
    best = 0.0
    for shift in range(400):
        there = [kept[at + shift] for at in known]
        product = sum(a * b for a, b in zip(there, came))
        best = max(best, product / max(1.0, (power * sum(sample * sample for sample in there)) ** 0.5))
    return best


def check(name, holds, told=""):
    @proof.check(name)
    def _():
        assert holds, told


for format, codec in CODECS.items():
    for kill in (False, True):
        name = f"{format}, {'killed' if kill else 'ended'}"
        came, recording = call(format, kill)
        stream, (caller, agent), complaints = read(recording)
        truth = laid(came)
        lasted, there = len(truth) / 8000, len(agent) / 8000
        check(f"{name}: codec and channels", (stream["codec_name"], stream["channels"]) == (codec, 2))
        least = lasted - 1.0 if kill else lasted - 0.05
        check(f"{name}: {there:.2f} s of {lasted:.2f} s are there", there >= least)
        check(f"{name}: ffmpeg finds nothing wrong", complaints == "" or kill, complaints)
        check(f"{name}: the caller is on the left", max(map(abs, caller)) > 3000)
        check(f"{name}: the agent is on the right", max(map(abs, agent)) > 1000)
        if format == "ulaw":
            check(f"{name}: the agent's side is what came, to the bit", to_the_bit(agent, truth))
        else:
            same = likeness(agent, truth)
            check(f"{name}: the agent's side is what came ({same:.4f})", same > (0.85 if format == "opus" else 0.999))

proof.end()
