#!/usr/bin/env python3
# interop: fast
# apt: ffmpeg
# limit: 90
"""A whole call over RTP with ffmpeg on the line: one ffmpeg sends the caller, another takes the agent's sound.

The caller's sound is one file of sentences and pauses, paced and packed by ffmpeg. What the agent says is judged by what
the second ffmpeg unpacked from its packets, at the times it came.
"""

import array
import random
import socket
import subprocess
import threading
import time

from proof import Proof
from server import FROM, GREETING, KEY, TO, Events, Server, silence, speech, until, voiced, within

proof = Proof()
PAUSE, FIRST_PAUSE = 9.5, 5.5
SENTENCES = [speech("caller-booking"), speech("caller-time")]
CALLER = silence(FIRST_PAUSE) + SENTENCES[0] + silence(PAUSE) + SENTENCES[1] + silence(PAUSE)
# Seconds on the caller's clock.
ASKED = FIRST_PAUSE + len(SENTENCES[0]) / 8000
ASKED_AGAIN = ASKED + PAUSE + len(SENTENCES[1]) / 8000
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=agent
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


class Receiver:
    """ffmpeg as the media gateway's ear: unpacks RTP and hands the samples on as they come."""

    def __init__(self, folder):
        self.port = free_pair()
        sdp = folder / "agent.sdp"
        sdp.write_text(SDP.format(port=self.port))
        self.process = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-fflags", "nobuffer", "-probesize", "32"]
            + ["-analyzeduration", "0", "-protocol_whitelist", "file,udp,rtp", "-i", sdp]
            + ["-f", "s16le", "-flush_packets", "1", "pipe:1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.sound = bytearray()
        self.began = None
        self.complaints = b""
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._hear, self._complain)]
        for reader in self._readers:
            reader.start()
        until(lambda: is_bound(self.port), 10, "ffmpeg listens")

    def _hear(self):
        while piece := self.process.stdout.read1(65536):
            self.sound += piece
            began = time.monotonic() - len(self.sound) / 16000
            # What came with the least delay tells best when the stream began.
            self.began = min(began, self.began or began)

    def _complain(self):
        self.complaints = self.process.stderr.read()

    def samples(self):
        return array.array("h", bytes(self.sound[: len(self.sound) // 2 * 2]))

    def stop(self):
        # A gentle signal waits for a packet; nothing is lost this way, since every piece was flushed.
        self.process.kill()
        self.process.wait(5)
        for reader in self._readers:
            reader.join(5)


class Sender:
    """ffmpeg as its mouth: 20 ms of PCMU a packet, in real time."""

    def __init__(self, sound, local):
        self.process = subprocess.Popen(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "mulaw", "-ar", "8000", "-ac", "1", "-i", "pipe:0"]
            + ["-c:a", "pcm_mulaw", "-af", "asetnsamples=n=160:p=0,arealtime"]
            + ["-f", "rtp", "rtp://{}:{}?pkt_size=172".format(*local)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        threading.Thread(target=self._feed, args=(sound,), daemon=True).start()

    def _feed(self, sound):
        try:
            with self.process.stdin as pipe:
                pipe.write(sound)
        except BrokenPipeError:
            pass

    def stop(self):
        self.process.terminate()
        self.process.wait(5)


def free_pair():
    """A free even port with a free odd one after it, for RTP and RTCP."""
    while True:
        port = random.randrange(30_000, 32_000, 2)
        if not is_bound(port) and not is_bound(port + 1):
            return port


def is_bound(port):
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])


def flood(target, packets=20_000, seconds=2.0):
    """Garbage from a stranger's socket, as fast as it goes; gives how much of it was sent."""
    seeded = random.Random(7)
    rtp = b"\x80\x00" + bytes(10) + b"\xff" * 160
    garbage = [b"", b"\x80", rtp[:11], b"\x40" + rtp[1:], b"\xa0" + rtp[1:-1] + b"\xff", rtp, b"\xff" * 1400]
    garbage += [seeded.randbytes(seeded.randrange(1, 400)) for _ in range(25)]
    begin = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for n in range(packets):
            stranger.sendto(garbage[n % len(garbage)], target)
            if time.monotonic() - begin > seconds:
                return n + 1
    return packets


server = Server(max_calls=1)
receiver = Receiver(server.folder)
attached = time.monotonic()
call_id, local = server.attach(f"127.0.0.1:{receiver.port}")
events = Events(server, call_id)
sender = Sender(CALLER, local)
over = {}


def begun():
    """When the caller's file began, told by how much of it has come: a packet is 20 ms."""
    engine = server.call(call_id)["engine"]
    came = engine["inbound"]["received"]
    return came and time.monotonic() - 0.02 * (came + engine["leg"]["foreignSource"])


caller_began = until(begun, 10, "the caller's first packets are accepted")


def agent_voice():
    """Where the agent is heard, on the caller's clock."""
    offset = receiver.began - caller_began
    return [(start + offset, end + offset) for start, end in voiced(receiver.samples())]


def sleep_until(at):
    """Lets the caller's file play up to this second."""
    time.sleep(max(0.0, caller_began + at - time.monotonic()))


@proof.check("the greeting is heard before the caller speaks")
def _():
    said = events.wait("turn", 8, role="agent")
    assert said["content"] == GREETING and not said["interrupted"], said
    sleep_until(FIRST_PAUSE - 0.5)
    spans = agent_voice()
    assert len(spans) == 1, spans
    start, end = spans[0]
    assert 1.5 < end - start < 5.0, spans
    delay = start + caller_began - attached
    print(f"     {delay:.2f} s after the call was attached, {end - start:.1f} s long")
    assert delay < 3.0, delay


@proof.check("a second call finds all lines busy: 503 and Retry-After")
def _():
    body = {"agentId": "front-desk", "transport": "rtp", "remote": "127.0.0.1:40000", "codec": "PCMU"}
    status, headers, answer = server.ask("POST", "/v1/media/legs", body)
    assert status == 503 and int(headers["retry-after"]) >= 1, (status, headers)
    assert answer["detail"] and answer["error"]["code"] == "UNAVAILABLE", answer
    assert server.get("/healthz")["liveCalls"] == 1


@proof.check("the caller's sentence is answered aloud, and not talked over")
def _():
    turn = events.wait("turn", ASKED + 5, role="user")
    assert turn["content"], turn
    answered = events.wait("turn-answered", 6, turn=turn["turn"])
    sleep_until(ASKED + 4.0)
    spans = agent_voice()
    assert within(spans, FIRST_PAUSE, ASKED) < 0.3, spans
    answer = [start for start, _ in spans if start > ASKED]
    assert answer and within(spans, ASKED, ASKED + 4.0) > 1.0, spans
    print(f"     heard {answer[0] - ASKED:.2f} s after the sentence; the engine says {answered['totalMs']:.0f} ms")
    assert answer[0] - ASKED < 3.0, spans


@proof.check("the live record has the transcript, and its counters know of no trouble")
def _():
    call = server.call(call_id)
    assert (call["status"], call["engine"]["state"], call["endedAt"]) == ("in-progress", "live", None), call
    assert (call["fromNumber"], call["toNumber"], call["direction"]) == (FROM, TO, "inbound"), call
    rows = call["transcripts"]
    assert rows[0]["transcript"] == "" and rows[0]["response"] == GREETING, rows
    assert rows[1]["transcript"] and len(rows) == 2, rows
    engine = call["engine"]
    assert (engine["transport"], engine["codec"], engine["local"]) == ("rtp", "PCMU", "{}:{}".format(*local)), engine
    inbound, outbound, leg = engine["inbound"], engine["outbound"], engine["leg"]
    elapsed = time.monotonic() - caller_began
    assert abs(inbound["received"] - 50 * elapsed) < 25, (inbound, elapsed)
    for name in ("lost", "late", "duplicate", "malformed", "foreign", "unknownPayload", "undecodable", "restarts"):
        # The peer is a process of its own, which the machine may hold up for a moment.
        assert inbound[name] <= (8 if name == "late" else 0), (name, inbound)
    assert inbound["concealedMs"] <= 100 and outbound["underruns"] == 0, engine
    # A sender on a port that was not signalled is believed from its fifth packet on; ffmpeg's first report is as early as
    # its first packet.
    assert leg["foreignSource"] == 5 and leg["malformed"] == leg["sendFailed"] == 0, leg
    # What it was far too late for, when the machine held it up, it did not send.
    assert abs(outbound["sent"] + outbound["skipped"] - 50 * (time.monotonic() - receiver.began)) < 25, outbound


@proof.check("a flood of garbage from elsewhere does not disturb the call")
def _():
    before = server.call(call_id)["engine"]
    heard = len(receiver.sound)
    begin = time.monotonic()
    sent = flood(local)
    took = time.monotonic() - begin
    time.sleep(1.0)
    after = server.call(call_id)["engine"]
    elapsed = time.monotonic() - begin
    refused = after["leg"]["foreignSource"] - before["leg"]["foreignSource"]
    # What the socket's buffer has no room for, the kernel drops: that may cost packets of the caller too.
    received = after["inbound"]["received"] - before["inbound"]["received"]
    sound = (len(receiver.sound) - heard) / 16000
    print(f"     {sent} datagrams in {took:.2f} s: {refused} refused, {received} of the caller's {50 * elapsed:.0f} taken")
    assert refused > 500, (before, after)
    assert received > 50 * elapsed * 0.4, (received, elapsed)
    assert after["inbound"]["foreign"] == 0 and after["inbound"]["malformed"] == 0, after
    assert abs(sound - elapsed) < 0.4, (sound, elapsed)


@proof.check("after it the conversation goes on: a second sentence, a second answer")
def _():
    turns = lambda: [data for name, data in events.seen if name == "turn" and data["role"] == "user"]
    until(lambda: len(turns()) >= 2, ASKED_AGAIN + 6 - (time.monotonic() - caller_began), "a second turn")
    second = turns()[1]
    assert second["content"] != turns()[0]["content"], turns()
    events.wait("turn-answered", 6, turn=second["turn"])
    sleep_until(ASKED_AGAIN + 3.5)
    spans = agent_voice()
    assert within(spans, ASKED_AGAIN, ASKED_AGAIN + 3.5) > 0.8, spans


@proof.check("DELETE ends the call, and the record stays")
def _():
    status, _, gone = server.ask("DELETE", f"/v1/media/legs/{call_id}")
    assert status == 200 and gone["status"] == "completed" and gone["engine"]["state"] == "ended", (status, gone)
    over.update(server.call(call_id))
    assert over == gone, (over, gone)
    assert over["endedAt"] and 15 < over["durationSeconds"] < 45, over
    assert not over["engine"]["disconnectionReason"].startswith("error"), over
    rows = over["transcripts"]
    assert len(rows) == 3 and all(row["transcript"] and row["response"] for row in rows[1:]), rows
    turns = over["engine"]["turns"]
    assert len(turns) == 2, turns
    for turn in turns:
        parts = turn["waterfallMs"]
        assert abs(sum(parts.values()) - turn["totalMs"]) < 1.0 and min(parts.values()) >= 0, turn
        assert 200 < turn["totalMs"] < 4000, turn
    said = server.get(f"/v1/calls/{call_id}/transcript")
    assert [line["role"] for line in said["transcript"]] == ["agent", "user", "agent", "user", "agent"], said
    assert server.get("/v1/calls?status=completed")["data"][0]["id"] == call_id
    assert server.ask("POST", f"/v1/calls/{call_id}/end")[0] == 409


@proof.check("the events told it all as it happened, and tell it again")
def _():
    events.join()
    names = events.names()
    assert names[0] == "connected" and names[-1] == "ended" and "missed" not in names, names
    for name in ("answered", "caller-started", "caller-heard", "turn", "turn-answered"):
        assert name in names, (name, names)
    ended = events.seen[-1][1]
    assert ended["status"] == "completed" and ended["disconnectionReason"] == over["engine"]["disconnectionReason"], ended
    times = [data["atMs"] for _, data in events.seen if "atMs" in data]
    assert times == sorted(times), times
    again = Events(server, call_id)
    again.join()
    # The first event tells the status, which was another then.
    assert again.seen[1:] == events.seen[1:], (again.names(), names)


@proof.check("ffmpeg missed none of the agent's packets")
def _():
    sender.stop()
    receiver.stop()
    assert b"missed" not in receiver.complaints, receiver.complaints
    elapsed = over["engine"]["outbound"]["sent"] / 50
    assert abs(len(receiver.sound) / 16000 - elapsed) < 0.2, (len(receiver.sound) / 16000, elapsed)


@proof.check("the metrics count the call")
def _():
    metrics = until(lambda: (m := server.metrics())["agentphone_calls_live"] == 0 and m, 5, "no live call")
    engine = over["engine"]
    for name, value in {
        "calls_started_total": 1,
        "calls_ended_total": 1,
        "calls_refused_total": 1,
        "calls_panicked_total": 0,
        "calls_stored": 1,
        "turns_total": 2,
        "rtp_packets_received_total": engine["inbound"]["received"],
        "rtp_packets_sent_total": engine["outbound"]["sent"],
        "media_foreign_source_total": engine["leg"]["foreignSource"],
        "answer_delay_seconds_count": 2,
    }.items():
        assert metrics[f"agentphone_{name}"] == value, (name, value, metrics)


@proof.check("the recording has both sides")
def _():
    import wave

    with wave.open(str(server.folder / "recordings" / over["engine"]["recording"])) as recording:
        assert recording.getnchannels() == 2 and recording.getsampwidth() == 2, recording.getparams()
        rate = recording.getframerate()
        samples = array.array("h", recording.readframes(recording.getnframes()))
    caller, agent = voiced(samples[0::2], rate), voiced(samples[1::2], rate)
    spoken = sum(map(len, SENTENCES)) / 8000
    assert spoken * 0.6 < sum(end - start for start, end in caller) < spoken * 1.3, caller
    assert len(agent) >= 3 and sum(end - start for start, end in agent) > 5, agent
    assert caller[0][0] > agent[0][1], (caller, agent)


@proof.check("the call's log replays to the same decisions")
def _():
    status, output = server.replay(call_id)
    assert status == 0 and "every decision is the same" in output, (status, output)
    print(f"     {output.strip().rsplit('/', 1)[-1]}")


@proof.check("it stops when told to, and its log holds no number, no key and no word of the call")
def _():
    status, log = server.stop()
    assert status == 0, (status, log)
    lines = [line["content"] for line in over["engine"]["lines"]]
    for secret in [FROM[1:], TO[1:], KEY, *lines]:
        assert secret not in log, (secret, log)


proof.end()
