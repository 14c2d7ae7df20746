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
    """Holds a call of 4 s; gives the agent's sound as it came, how long it lasted and the recording."""
    server = Server(recording=format)
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.bind(("127.0.0.1", 0))
    call_id, there = server.attach("%s:%d" % caller.getsockname())
    caller.settimeout(0.001)
    came, first, last = {}, None, None
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
                last = time.monotonic()
                first = first or last
                came[struct.unpack("!H", packet[2:4])[0]] = packet[12:]
        if first and last - first > 4 and time.monotonic() - last < 0.04:
            break
    assert last and last - first > 4, "the agent was not heard"
    if kill:
        server.process.kill()
        server.process.wait(5)
    else:
        server.ask("DELETE", f"/v1/media/legs/{call_id}")
        server.stop()
    recording = server.folder / "recordings" / f"{call_id}.{'ogg' if format == 'opus' else 'wav'}"
    return b"".join(came[key] for key in sorted(came)), last - first, recording


def read(recording):
    """What ffprobe says of it, both sides as ffmpeg decodes them, and what it complains of."""
    show = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", recording]
    stream = json.loads(subprocess.run(show, capture_output=True, check=True).stdout)["streams"][0]
    decode = ["ffmpeg", "-v", "error", "-nostdin", "-i", recording, "-f", "s16le", "-ar", "8000", "pipe:1"]
    done = subprocess.run(decode, capture_output=True, check=True)
    samples = array.array("h", done.stdout)
    return stream, (samples[0::2], samples[1::2]), done.stderr.decode()


def likeness(kept, came):
    """Where the agent's sound that came stands in what was kept, and how much of it is the same (1: all)."""
    size = min(len(kept), len(came)) - 400
    power = sum(sample * sample for sample in came[:size])
    best = (0.0, 0)
    for shift in range(0, 400):
        product = sum(a * b for a, b in zip(kept[shift : shift + size], came[:size]))
        other = sum(sample * sample for sample in kept[shift : shift + size])
        best = max(best, (product / max(1.0, (power * other) ** 0.5), shift))
    return best


def check(name, holds, told=""):
    @proof.check(name)
    def _():
        assert holds, told


for format, codec in CODECS.items():
    for kill in (False, True):
        name = f"{format}, {'killed' if kill else 'ended'}"
        came, lasted, recording = call(format, kill)
        stream, (caller, agent), complaints = read(recording)
        truth = [LINEAR[byte] for byte in came]
        check(f"{name}: codec and channels", (stream["codec_name"], stream["channels"]) == (codec, 2))
        least = lasted - 1.0 if kill else lasted - 0.05
        check(f"{name}: {len(agent) / 8000:.2f} s of {lasted:.2f} s are there", len(agent) / 8000 >= least)
        check(f"{name}: ffmpeg finds nothing wrong", complaints == "" or kill, complaints)
        check(f"{name}: the caller is on the left", max(map(abs, caller)) > 3000)
        check(f"{name}: the agent is on the right", max(map(abs, agent)) > 1000)
        if format == "ulaw":
            place = next((at for at in range(8000) if all(a == b for a, b in zip(agent[at:], truth))), None)
            check(f"{name}: the agent's side is what came, to the bit", place is not None)
        else:
            same, shift = likeness(agent, truth)
            check(f"{name}: the agent's side is what came ({same:.4f})", same > (0.85 if format == "opus" else 0.999))

proof.end()
