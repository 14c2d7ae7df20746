#!/usr/bin/env python3
# interop: fast
# limit: 90
"""Calls whose services fail: `agentphone simulators` break on command, the calls go on or end with a reason.

The callers are sockets of their own that speak RTP all the time, as a telephone does.
"""

import socket
import struct
import threading
import time
from collections import deque

from proof import Proof
from server import GREETING, LINEAR, Events, Server, Simulators, silence, speech, until, voiced, within

proof = Proof()
simulators = Simulators()
server = Server(services=simulators.environment)
APOLOGY = "I'm sorry, I'm having trouble right now. Could you say that again?"


class Caller:
    """A telephone: a packet every 20 ms, whatever it has to say, and an ear."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.5)
        self.began = time.monotonic()
        self.words = deque()
        self.heard = []
        self.call_id, self.local = server.attach("127.0.0.1:{}".format(self.socket.getsockname()[1]))
        self.events = Events(server, self.call_id)
        self._hung_up = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._speak, self._hear)]
        for thread in self._threads:
            thread.start()

    def _speak(self):
        due, number = time.monotonic(), 0
        while not self._hung_up.wait(max(0.0, due - time.monotonic())):
            words = self.words.popleft() if self.words else silence(0.02)
            self.socket.sendto(struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 160, 7) + words, self.local)
            due, number = due + 0.02, number + 1

    def _hear(self):
        while not self._hung_up.is_set():
            try:
                packet = self.socket.recv(2048)
            except TimeoutError:
                continue
            self.heard.append((self.now(), packet[12:]))

    def now(self):
        return time.monotonic() - self.began

    def say(self, name):
        """Begins to say it; gives when it will have been said."""
        sound = speech(name)
        self.words.extend(sound[at : at + 160] for at in range(0, len(sound), 160))
        return self.now() + len(sound) / 8000

    def voice(self):
        """Where the agent was heard, on this call's clock."""
        heard = list(self.heard)
        if not heard:
            return []
        offset = min(at - n * 0.02 for n, (at, _) in enumerate(heard))
        samples = [LINEAR[byte] for _, sound in heard for byte in sound]
        return [(start + offset, end + offset) for start, end in voiced(samples)]

    def said(self, role):
        """The lines of one side so far."""
        return [data["content"] for name, data in self.events.seen if name == "turn" and data["role"] == role]

    def said_next(self, role, count, seconds):
        """The line of one side after `count` others."""
        return until(lambda: self.said(role)[count:], seconds, f"line {count + 1} of the {role}: {self.events.seen}")[0]

    def failures(self):
        return [(data["service"], data["failure"]) for name, data in self.events.seen if name == "service-failed"]

    def hang_up(self):
        status, _, record = server.ask("DELETE", f"/v1/media/legs/{self.call_id}")
        assert status == 200, (status, record)
        self._hung_up.set()
        for thread in self._threads:
            thread.join(2)
        self.socket.close()
        return record


# This call's recogniser goes away in the middle of its first sentence; nothing else befalls it.
simulators.fail(service="stt", kind="drop", ms=4500)
bystander = Caller()
until(lambda: simulators.received()["tts"]["requests"] == 1 and bystander.heard, 5, "the greeting is on its way")


@proof.check("a voice that refuses the key ends the call with a reason, and the caller is told so by a sound that is kept")
def _():
    simulators.fail(service="tts", kind="status", status=401, count=2)
    caller = Caller()
    ended = caller.events.wait("ended", 8)
    assert ended["disconnectionReason"] == "error_service" and ended["status"] == "failed", ended
    assert caller.failures() == [("tts", "auth")] * 2, caller.events.seen
    assert 2 < within(caller.voice(), 0, 10) < 3.5, caller.voice()
    record = caller.hang_up()
    lines = [line["content"] for line in record["engine"]["lines"]]
    assert record["status"] == "failed" and len(lines) == 1 and "technical trouble" in lines[0], record


victim = Caller()


@proof.check("a recogniser that goes away in mid-sentence is replaced, and no word is lost")
def _():
    assert bystander.said_next("agent", 0, 8) == GREETING
    asked = bystander.say("caller-booking")
    assert asked - 3.0 < 4.5 < asked, f"the recogniser does not fail in the sentence that ends at {asked:.1f} s"
    turn = bystander.events.wait("turn", 10, role="user")
    # Asked for what it has at the pause in the sentence, the new one may take what follows for the next line of its script:
    # all of both then, each once.
    heard = ["Hello, I have a question.", "Can you tell me a little more about that?"]
    assert turn["content"] in (heard[0], " ".join(heard)), turn
    bystander.events.wait("turn-answered", 5, turn=1)
    assert simulators.received()["stt"]["broken_off"] == 1, simulators.received()
    assert bystander.said("user") == [turn["content"]] and bystander.failures() == [], bystander.events.seen


@proof.check("a model that answers 500 is apologised for, and answers the next time")
def _():
    assert victim.said_next("agent", 0, 8) == GREETING
    simulators.fail(service="llm", kind="status", status=500)
    asked = victim.say("caller-name")
    assert victim.said_next("agent", 1, 12) == APOLOGY
    assert victim.failures() == [("llm", "unavailable")], victim.events.seen
    assert within(victim.voice(), asked, asked + 7) > 2.0, (asked, victim.voice())
    victim.say("caller-name")
    answered = victim.events.wait("turn-answered", 6, turn=2)
    assert answered["totalMs"] < 4000 and len(victim.failures()) == 1, victim.events.seen
    victim.said_next("agent", 2, 10)


@proof.check("a voice that breaks off in mid-sentence is apologised for, and the record has what was heard")
def _():
    # Counted from the connection, which is opened while the model thinks.
    simulators.fail(service="tts", kind="drop", ms=900)
    victim.say("caller-name")
    cut = victim.said_next("agent", 3, 8)
    assert victim.said_next("agent", 4, 8) == APOLOGY
    assert victim.failures()[1:] == [("tts", "unavailable")], victim.events.seen
    record = server.call(victim.call_id)
    line = [line for line in record["engine"]["lines"] if line["role"] == "agent"][3]
    assert line["interrupted"] and line["content"] == cut and 0 < len(cut) < 80, line
    assert record["status"] == "in-progress", record
    assert victim.hang_up()["status"] == "completed"


@proof.check("the other call noticed nothing of it")
def _():
    bystander.say("caller-time")
    bystander.events.wait("turn-answered", 6, turn=2)
    assert bystander.failures() == [] and APOLOGY not in bystander.said("agent"), bystander.events.seen
    record = bystander.hang_up()
    inbound, outbound = record["engine"]["inbound"], record["engine"]["outbound"]
    assert record["status"] == "completed" and inbound["lost"] == inbound["malformed"] == 0, record
    assert outbound["underruns"] == outbound["staleSamples"] == 0, outbound
    elapsed = bystander.heard[-1][0] - bystander.heard[0][0]
    # What it was far too late for, when the machine held it up, it did not send.
    assert abs(len(bystander.heard) + outbound["skipped"] - 50 * elapsed) < 15, (len(bystander.heard), elapsed, outbound)


@proof.check("every stream to a service was ended, and no call ended by a bug")
def _():
    ended = lambda log: all(s["completed"] + s["refused"] + s["broken_off"] == s["requests"] for s in log.values())
    until(lambda: ended(simulators.received()), 5, "every stream is ended")
    metrics = server.metrics()
    assert metrics["agentphone_calls_panicked_total"] == 0 and metrics["agentphone_calls_live"] == 0, metrics
    status, log = server.stop()
    assert status == 0 and "simulated" not in log.lower(), (status, log)
    assert simulators.stop() == 0


proof.end()
