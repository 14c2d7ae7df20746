#!/usr/bin/env python3
# interop: fast
# python: sdks
# limit: 60
"""An encrypted call with libsrtp on the line: keys by SDES, sound and RTCP protected in both directions."""

import base64
import os
import socket
import struct
import threading
import time

from proof import Proof
from pylibsrtp import Error, Policy, Session
from server import GREETING, Events, Server, silence, speech, until

proof = Proof()
SUITE = "AES_CM_128_HMAC_SHA1_80"
SSRC = 0x5CA1AB1E
NTP_EPOCH = 2_208_988_800


def session(key, direction):
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80))


class Caller:
    """Sends a file in real time and opens what comes back."""

    def __init__(self):
        self.key = os.urandom(30)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.5)
        self.sound, self.reports, self.bad = [], [], 0
        self.going = True

    @property
    def remote(self):
        return "{}:{}".format(*self.socket.getsockname())

    def crypto(self):
        return f"1 {SUITE} inline:{base64.b64encode(self.key).decode()}|2^31"

    def begin(self, local, crypto, sound):
        tag, suite, key = crypto.split()
        assert (tag, suite) == ("1", SUITE), crypto
        self.receive = session(base64.b64decode(key.removeprefix("inline:")), Policy.SSRC_ANY_INBOUND)
        self.send = session(self.key, Policy.SSRC_ANY_OUTBOUND)
        self.local = local
        for work in (self._hear, lambda: self._speak(sound)):
            threading.Thread(target=work, daemon=True).start()

    def _speak(self, sound):
        begin = time.monotonic()
        for n in range(len(sound) // 160):
            if not self.going:
                return
            # The numbers wrap on the way.
            head = struct.pack("!BBHII", 0x80, 0, (65_400 + n) % 65_536, n * 160, SSRC)
            self.socket.sendto(self.send.protect(head + sound[n * 160 : n * 160 + 160]), self.local)
            if n % 100 == 50:
                ntp = time.time() + NTP_EPOCH
                info = struct.pack("!IIIII", int(ntp), int(ntp % 1 * 2**32), n * 160, n, n * 160)
                report = struct.pack("!BBHI", 0x80, 200, 6, SSRC) + info + struct.pack("!BBHIBB2s", 0x81, 202, 2, SSRC, 1, 0, b"")
                self.socket.sendto(self.send.protect_rtcp(report), self.local)
            time.sleep(max(0.0, begin + (n + 1) * 0.02 - time.monotonic()))

    def _hear(self):
        while self.going:
            try:
                packet = self.socket.recv(2048)
            except TimeoutError:
                continue
            try:
                if 192 <= packet[1] <= 223:
                    self.reports.append(self.receive.unprotect_rtcp(packet))
                else:
                    self.sound.append(self.receive.unprotect(packet))
            except Error:
                self.bad += 1


server = Server(max_calls=1)
caller = Caller()
wanted = {"agentId": "front-desk", "transport": "rtp", "remote": caller.remote, "rtcpMux": True, "srtp": {"receive": caller.crypto()}}
status, _, leg = server.ask("POST", "/v1/media/legs", wanted)
assert status == 201, (status, leg)
host, port = leg["local"].rsplit(":", 1)
call_id = leg["callId"]
events = Events(server, call_id)
caller.begin((host, int(port)), leg["srtp"]["send"], silence(5.5) + speech("caller-booking") + silence(9))


@proof.check("the greeting is heard and the caller's sentence answered, all of it under the keys")
def _():
    said = events.wait("turn", 8, role="agent")
    assert said["content"] == GREETING, said
    heard = events.wait("turn", 20, role="user")
    assert heard["content"], heard
    events.wait("turn-answered", 8, turn=heard["turn"])
    assert len(caller.sound) > 300 and caller.bad == 0, (len(caller.sound), caller.bad)
    assert all(len(packet) == 172 for packet in caller.sound)


@proof.check("reports go both ways, under the keys too")
def _():
    asked = lambda: server.call(call_id)["engine"]
    # A report with a block on our stream, and three of ours taken in.
    until(lambda: caller.reports and len(caller.reports[-1]) >= 52, 12, "a report on our stream")
    until(lambda: asked()["quality"]["reportsReceived"] >= 3, 12, "our reports are taken in")
    engine = asked()
    print(f"     {len(caller.reports)} reports, {engine['quality']}")
    assert caller.reports and all(report[1] == 200 for report in caller.reports)
    # The last one has a block on our stream, with the time since our report.
    block = caller.reports[-1][28:52]
    assert struct.unpack("!I", block[:4])[0] == SSRC and struct.unpack("!I", block[20:])[0] > 0, block.hex()
    assert engine["quality"]["reportsReceived"] >= 3 and engine["quality"]["inboundMos"] > 4, engine["quality"]
    assert (engine["leg"]["badTag"], engine["leg"]["replayed"], engine["inbound"]["lost"]) == (0, 0, 0), engine


@proof.check("what is not under the key is not heard, and counted")
def _():
    # Newer than anything sent: an old number would be refused before its tag is looked at.
    plain = struct.pack("!BBHII", 0x80, 0, 20_000, 0, SSRC) + bytes(160)
    for _ in range(10):
        caller.socket.sendto(plain, caller.local)
    count = lambda: server.call(call_id)["engine"]["leg"]["badTag"]
    until(lambda: count() >= 10, 5, "all ten are counted")
    assert count() == 10


@proof.check("the end is a goodbye, and no key is in the log or the record")
def _():
    before = len(caller.reports)
    status, _, over = server.ask("DELETE", f"/v1/media/legs/{call_id}")
    assert status == 200, (status, over)
    until(lambda: len(caller.reports) > before and caller.reports[-1][-7:-6] == bytes([203]), 5, "a last report with a BYE")
    caller.going = False
    status, log = server.stop()
    secret = leg["srtp"]["send"].split("inline:")[1]
    logs = [path.read_text() for path in (server.folder / "logs").iterdir()]
    for text in [log, str(over), *logs]:
        assert status == 0 and secret not in text and "inline:" not in text


proof.end()
