#!/usr/bin/env python3
# interop: fast
# apt: ffmpeg
# limit: 90
"""The codecs of the engine against ffmpeg's: one call in each, both directions at once.

ffmpeg codes the caller's sentence (libopus for Opus) and decodes what the agent says; the engine has to hear a turn in the
first and to be heard in the second.
"""

import array
import random
import subprocess
import threading

from proof import Proof
from server import GREETING, Events, Server, silence, speech, until, voiced

proof = Proof()
CALLER = silence(6.0) + speech("caller-booking") + silence(8.0)
# Name, payload type, clock and channels as SDP has them, how ffmpeg codes 20 ms of it.
CODECS = [
    ("G722", 9, "8000", ["-ar", "16000", "-c:a", "g722"], 320, 172),
    ("opus", 111, "48000/2", ["-ar", "48000", "-c:a", "libopus", "-application", "voip", "-b:a", "24k"], 960, 1200),
    ("L16/16000", 96, "16000", ["-ar", "16000", "-c:a", "pcm_s16be"], 320, 652),
    ("PCMA", 8, "8000", ["-ar", "8000", "-c:a", "pcm_alaw"], 160, 172),
]


class Telephone:
    """Two ffmpegs at the end of one call."""

    def __init__(self, server, codec, payload_type, clock, coding, samples, size):
        self.port = free_pair()
        sdp = server.folder / f"{payload_type}.sdp"
        sdp.write_text(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=agent\nc=IN IP4 127.0.0.1\nt=0 0\n"
            f"m=audio {self.port} RTP/AVP {payload_type}\na=rtpmap:{payload_type} {codec.split('/')[0]}/{clock}\n"
        )
        self.ear = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-fflags", "nobuffer", "-probesize", "32"]
            + ["-analyzeduration", "0", "-protocol_whitelist", "file,udp,rtp", "-i", sdp]
            + ["-ar", "8000", "-ac", "1", "-f", "s16le", "-flush_packets", "1", "pipe:1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.sound = bytearray()
        self.reader = threading.Thread(target=self._hear, daemon=True)
        self.reader.start()
        until(lambda: is_bound(self.port), 20, "ffmpeg listens")
        self.call_id, local = server.attach(f"127.0.0.1:{self.port}", codec=codec, payloadType=payload_type)
        self.events = Events(server, self.call_id)
        self.mouth = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "mulaw", "-ar", "8000", "-ac", "1", "-i", "pipe:0"]
            + ["-af", f"aresample={coding[1]},asetnsamples=n={samples}:p=0,arealtime"]
            + coding
            + ["-payload_type", str(payload_type), "-f", "rtp", f"rtp://{local[0]}:{local[1]}?pkt_size={size}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        threading.Thread(target=self._feed, daemon=True).start()

    def _hear(self):
        while piece := self.ear.stdout.read1(65536):
            self.sound += piece

    def _feed(self):
        try:
            with self.mouth.stdin as pipe:
                pipe.write(CALLER)
        except BrokenPipeError:
            pass

    def voice(self):
        return voiced(array.array("h", bytes(self.sound[: len(self.sound) // 2 * 2])))

    def stop(self):
        self.mouth.kill()
        self.ear.kill()
        self.mouth.wait(5)
        self.ear.wait(5)


def free_pair():
    while True:
        port = random.randrange(32_000, 34_000, 2)
        if not is_bound(port) and not is_bound(port + 1):
            return port


def is_bound(port):
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])


server = Server(max_calls=len(CODECS))
telephones = {codec[0]: Telephone(server, *codec) for codec in CODECS}


def hold(name, telephone):
    @proof.check(f"{name}: the agent is heard by ffmpeg, and hears it")
    def _():
        assert telephone.events.wait("turn", 15, role="agent")["content"] == GREETING
        turn = telephone.events.wait("turn", 30, role="user")
        assert turn["content"], turn
        # On a line that stalls the words may be taken back and come as a later turn.
        answered = lambda: [data for event, data in telephone.events.seen if event == "turn-answered" and data["turn"] >= turn["turn"]]
        until(answered, 10, "the caller is answered")
        until(lambda: len(telephone.voice()) >= 2, 10, "the greeting and the answer are heard")
        start, end = telephone.voice()[0]
        assert 1.5 < end - start < 5.0, telephone.voice()
        engine = server.call(telephone.call_id)["engine"]
        inbound = engine["inbound"]
        print(f"     {inbound['received']} packets taken, greeting {end - start:.1f} s long")
        assert engine["codec"] == name and inbound["received"] > 300, engine
        for counter in ("malformed", "unknownPayload", "undecodable", "restarts"):
            assert inbound[counter] == 0, (counter, inbound)


for codec_name, one in telephones.items():
    hold(codec_name, one)
for one in telephones.values():
    server.ask("DELETE", f"/v1/media/legs/{one.call_id}")
    one.stop()
server.stop()
proof.end()
