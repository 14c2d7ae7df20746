#!/usr/bin/env python3
# interop: fast
# python: sdks
# limit: 90
"""A call over the Twilio media-stream dialect: the far side as Twilio describes it, over the `websockets` library.

The far side plays what it is sent in real time, answers a mark when all before it was played, and on `clear` throws away
what was not played and answers all marks. The speech services are `agentphone simulators` in a process of its own,
reached by key and base URL as real ones are.
"""

import asyncio
import base64
import json
import time
from collections import deque

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from proof import Proof
from server import FROM, GREETING, KEY, LINEAR, TO, Events, Server, Simulators, silence, speech, until, voiced, within

proof = Proof()
simulators = Simulators()
server = Server(services=simulators.environment)
SOCKET = "ws://{}:{}/v1/streams/twilio".format(*server.address)
STREAM, CALL = "MZ5f0c2b8e", "CA77d1a0c4"
# The far side may be sent this many seconds more than it has played, when nobody is late: a lead of 60 ms, the packet
# that is played, and the silence that was under way when a reply began.
AHEAD = 0.1


class Carrier:
    """Twilio's end of one media stream."""

    def __init__(self, socket):
        self.socket = socket
        self.began = time.monotonic()
        self.sequence = self.chunk = 0
        self.caller = deque()  # Packets of 20 ms that the caller will say; silence when there are none.
        self.queue = deque()  # What is still to be played: bytes, or the name of a mark.
        self.cursor = 0.0  # When the playing of `queue` stands.
        self.played = []  # (when, sound) as it was played.
        self.messages = []  # (when, event) as it came.
        self.marks = []  # Marks that were answered.
        self.ahead = []  # How much was queued, message by message.
        self.wrong = []  # What Twilio would complain about.
        self.closed = None
        self.stalled = 0.0  # The longest this process was kept from its work.

    def now(self):
        return time.monotonic() - self.began

    async def send(self, event, **more):
        self.sequence += 1
        message = {"event": event, "sequenceNumber": str(self.sequence), "streamSid": STREAM, **more}
        await self.socket.send(json.dumps(message))

    async def open(self):
        await self.socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"streamSid": STREAM, "accountSid": "AC1", "callSid": CALL, "tracks": ["inbound"]}
        await self.send("start", start={**start, "customParameters": {"from": FROM, "to": TO}, "mediaFormat": media_format})

    async def speak(self):
        """The caller's sound: 20 ms every 20 ms, in silence too."""
        due = self.now()
        while True:
            packet = self.caller.popleft() if self.caller else silence(0.02)
            self.chunk += 1
            media = {"track": "inbound", "chunk": str(self.chunk), "timestamp": str(round(due * 1000))}
            await self.send("media", media={**media, "payload": base64.b64encode(packet).decode()})
            due += 0.02
            await asyncio.sleep(max(0.0, due - self.now()))

    async def play(self):
        while True:
            before = self.now()
            await asyncio.sleep(0.005)
            stall = self.now() - before - 0.005
            self.stalled = max(self.stalled, stall)
            await self.catch_up()
            # After a stall of this process what came meanwhile is still unread: it was in time.
            if not self.queue and stall < 0.01:
                self.cursor = max(self.cursor, self.now())

    async def catch_up(self):
        """Plays what was due by now."""
        now = self.now()
        while self.queue and self.cursor <= now:
            item = self.queue[0]
            if isinstance(item, str):
                self.queue.popleft()
                self.marks.append(item)
                await self.send("mark", mark={"name": item})
            else:
                self.queue.popleft()
                self.played.append((self.cursor, item))
                self.cursor += len(item) / 8000

    def queued(self):
        """Seconds of sound that have come and not been played."""
        left = sum(len(item) for item in self.queue if not isinstance(item, str)) / 8000
        return max(0.0, self.cursor - self.now()) + left

    async def listen(self):
        try:
            async for message in self.socket:
                await self.take(message)
        except ConnectionClosed:
            pass
        self.closed = self.now()

    async def take(self, text):
        await self.catch_up()
        if isinstance(text, bytes):
            return self.wrong.append("a binary message")
        message = json.loads(text)
        event = message.get("event")
        self.messages.append((self.now(), event))
        if message.get("streamSid") != STREAM:
            self.wrong.append(text)
        if event == "media" and set(message) == {"event", "streamSid", "media"}:
            sound = base64.b64decode(message["media"]["payload"], validate=True)
            self.queue.append(sound)
            self.ahead.append(self.queued())
        elif event == "mark":
            self.queue.append(message["mark"]["name"])
            await self.catch_up()
        elif event == "clear":
            marks = [item for item in self.queue if isinstance(item, str)]
            self.queue.clear()
            self.cursor = self.now()
            for mark in marks:
                self.marks.append(mark)
                await self.send("mark", mark={"name": mark})
        else:
            self.wrong.append(text)

    def say(self, sound):
        self.caller.extend(sound[at : at + 160] for at in range(0, len(sound), 160))

    def voice(self):
        """Where the agent was heard, on the stream's clock."""
        length = max((at + len(sound) / 8000 for at, sound in self.played), default=0.0)
        samples = [0] * (int(length * 8000) + 1)
        for at, sound in self.played:
            first = int(at * 8000)
            samples[first : first + len(sound)] = [LINEAR[byte] for byte in sound]
        # Short windows: how soon it falls silent is the question.
        return voiced(samples, window=0.02, gap=0.4)

    def came(self, event, after=0.0):
        return [at for at, name in self.messages if name == event and at >= after]


async def holds(condition, seconds, what):
    """Waits until it holds; gives what held."""
    deadline = time.monotonic() + seconds
    while not (held := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return held


async def on_a_line(path, work, **options):
    """Opens a stream and does `work` on it while the far side speaks, listens and plays."""
    async with connect(SOCKET + path, compression=None, proxy=None, **options) as socket:
        carrier = Carrier(socket)
        await carrier.open()
        tasks = [asyncio.create_task(task()) for task in (carrier.speak, carrier.play, carrier.listen)]
        try:
            await work(carrier)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def the_call(**wanted):
    """The one call that is in this state."""
    calls = [call for call in server.get("/v1/calls")["data"] if all(call[key] == value for key, value in wanted.items())]
    return calls[0] if len(calls) == 1 else None


@proof.check("without the key in the path there is no upgrade: 401")
def _():
    async def attempt(path, **options):
        try:
            async with connect(SOCKET + path, proxy=None, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    async def attempts():
        assert await attempt("/front-desk") == 401
        assert await attempt("/front-desk/another-key-4f1c9a") == 401
        assert await attempt(f"/front-desk/{KEY}x") == 401
        assert await attempt(f"/front-desk?key={KEY}") == 401
        assert await attempt("/front-desk", additional_headers={"authorization": "Bearer another-key"}) == 401
        assert await attempt(f"/nobody/{KEY}") == 404

    asyncio.run(attempts())
    assert server.ask("GET", "/v1/streams/twilio/front-desk")[0] == 426
    assert server.metrics()["agentphone_calls_started_total"] == 0


async def conversation(carrier):
    record = await asyncio.to_thread(until, lambda: the_call(status="in-progress"), 5, "a live call")
    call_id = record["id"]
    events = await asyncio.to_thread(Events, server, call_id)
    notes = {"id": call_id, "events": events}

    # The greeting, to its end.
    await asyncio.to_thread(events.wait, "turn", 10, role="agent")
    notes["greeted"] = carrier.now()
    await asyncio.sleep(0.5)

    # A sentence, and its answer.
    sentence = speech("caller-booking")
    notes["asked"] = carrier.now() + len(sentence) / 8000
    carrier.say(sentence)
    await asyncio.to_thread(events.wait, "turn-answered", 12)
    await asyncio.sleep(2.0)

    # The caller talks over the answer.
    notes["interrupting"] = carrier.now()
    carrier.say(speech("caller-interrupt"))
    notes["interrupted"] = await asyncio.to_thread(events.wait, "interrupted", 4)
    await asyncio.to_thread(events.wait, "turn-answered", 8, turn=2)
    notes["answered again"] = carrier.now()
    await asyncio.sleep(1.0)

    # What Twilio does not send, and then a key.
    await carrier.socket.send(b"\x00\x01 no text \xff")
    for nonsense in ("", "nonsense", "[]", '{"event":"surprise"}', '{"event":"media","media":{"payload":"!"}}'):
        await carrier.socket.send(nonsense)
    await carrier.send("media", media={"track": "inbound", "chunk": "7", "timestamp": "x", "payload": "////"})
    await carrier.send("dtmf", dtmf={"track": "inbound_track", "digit": "4"})
    await asyncio.to_thread(events.wait, "digit", 5)
    notes["live"] = await asyncio.to_thread(server.call, call_id)

    # The caller hangs up.
    notes["stopped"] = carrier.now()
    await carrier.send("stop", stop={"accountSid": "AC1", "callSid": CALL})
    await holds(lambda: carrier.closed, 5, "the server closes the stream")
    notes["over"] = await asyncio.to_thread(until, lambda: the_call(status="completed"), 5, "the record")
    return notes


heard, notes = None, {}


@proof.check("a whole call: greeting, answer, barge-in, nonsense, a key, and the caller hangs up")
def _():
    async def work(carrier):
        global heard
        heard = carrier
        notes.update(await conversation(carrier))

    asyncio.run(on_a_line(f"/front-desk/{KEY}", work))
    assert (notes["over"]["fromNumber"], notes["over"]["toNumber"]) == (FROM, TO), notes["over"]
    assert notes["over"]["engine"]["transport"] == "twilio", notes["over"]


@proof.check("all that came was media, mark and clear of this stream")
def _():
    assert not heard.wrong, heard.wrong[:3]
    assert len(heard.came("media")) > 200 and heard.came("mark"), len(heard.messages)
    assert all(len(sound) % 160 == 0 for _, sound in heard.played)


@proof.check("the sound was paced: hardly more than 100 ms ahead of its playing")
def _():
    ahead = sorted(heard.ahead)
    usual, nearly, most = (ahead[int((len(ahead) - 1) * share)] for share in (0.5, 0.95, 1.0))
    late = notes["over"]["engine"]["outbound"]["worstLatenessMs"] / 1000
    print(f"     ahead by {usual * 1000:.0f} ms usually, {nearly * 1000:.0f} ms at p95, {most * 1000:.0f} ms at most; "
          f"the engine was late by {late * 1000:.0f} ms at most, this process by {heard.stalled * 1000:.0f} ms")
    # A packet that came late was played late, and so is all that comes after it until the next clear.
    allowed = AHEAD + late + heard.stalled + 0.01
    assert 0.02 < nearly <= allowed and most <= min(allowed + 0.02, 0.25), (usual, nearly, most, allowed)


@proof.check("the greeting was heard, and marked as heard when it was")
def _():
    spans = [span for span in heard.voice() if span[0] < notes["asked"] - 3]
    assert len(spans) == 1 and 1.5 < spans[0][1] - spans[0][0] < 5.0, heard.voice()
    assert spans[0][0] < 3.0, spans
    row = notes["over"]["transcripts"][0]
    assert row["response"] == GREETING, row
    # The engine tells the end of the greeting once it was played, not once it was sent.
    assert -0.1 < notes["greeted"] - spans[0][1] < 0.6, (notes["greeted"], spans)


@proof.check("the sentence was answered")
def _():
    spans = [span for span in heard.voice() if notes["asked"] < span[0] < notes["interrupting"]]
    assert spans and spans[0][0] - notes["asked"] < 3.0, (heard.voice(), notes["asked"])
    assert within(heard.voice(), notes["asked"], notes["interrupting"]) > 1.0, heard.voice()
    print(f"     heard {spans[0][0] - notes['asked']:.2f} s after the sentence")


@proof.check("a barge-in: clear comes, the far side falls silent, and the interruption is answered")
def _():
    begin = notes["interrupting"]
    cleared = heard.came("clear", after=begin)
    assert cleared and cleared[0] - begin < 1.5, (cleared, begin)
    last = [end for start, end in heard.voice() if start < begin < end]
    assert last, (heard.voice(), begin)
    print(f"     silent {(last[0] - begin) * 1000:.0f} ms after the caller's first sound, clear after "
          f"{(cleared[0] - begin) * 1000:.0f} ms")
    assert last[0] - begin < 0.4, (last, begin)
    assert within(heard.voice(), last[0] + 0.1, begin + 1.9) < 0.1, heard.voice()
    again = [start for start, _ in heard.voice() if start > begin + 1.5]
    assert again and again[0] - begin - 1.99 < 3.0, (heard.voice(), begin)


@proof.check("the record knows of it: what was cut, what was not understood, the key, who hung up")
def _():
    live, over = notes["live"]["engine"], notes["over"]["engine"]
    assert live["state"] == "live" and live["disconnectionReason"] is None, live
    # A key takes the floor as words do.
    agent = [line for line in over["lines"] if line["role"] == "agent"]
    assert over["interruptions"] == 2 and [line["interrupted"] for line in agent] == [False, True, True], over
    # Seven messages that are none, one of them binary.
    assert live["leg"]["malformed"] == 7 and live["leg"]["sendFailed"] == 0, live["leg"]
    inbound = live["inbound"]
    assert inbound["lost"] == inbound["duplicate"] == inbound["malformed"] == 0, inbound
    # What a stall of this process sent too late is none of the engine's making.
    assert inbound["late"] == 0 or heard.stalled > 0.08, (inbound, heard.stalled)
    assert over["disconnectionReason"] == "user_hangup" and notes["over"]["status"] == "completed", over
    assert heard.closed - notes["stopped"] < 2.0, (heard.closed, notes["stopped"])
    notes["events"].join()
    assert notes["events"].seen[-1][1]["disconnectionReason"] == "user_hangup"
    for turn in over["turns"]:
        assert abs(sum(turn["waterfallMs"].values()) - turn["totalMs"]) < 1.0, turn


@proof.check("the Bearer header opens it too; a carrier that vanishes has hung up")
def _():
    async def vanish(carrier):
        await holds(lambda: carrier.came("media"), 5, "the agent speaks")
        carrier.socket.transport.abort()

    options = {"additional_headers": {"authorization": f"Bearer {KEY}"}}
    asyncio.run(on_a_line("/front-desk", vanish, **options))
    until(lambda: server.get("/healthz")["liveCalls"] == 0, 5, "the call is over")
    latest = server.get("/v1/calls")["data"][0]
    assert latest["id"] != notes["id"] and latest["engine"]["disconnectionReason"] == "user_hangup", latest


@proof.check("a stream that does not start as one should is closed, and no call begins")
def _():
    async def attempt(*messages):
        async with connect(f"{SOCKET}/front-desk/{KEY}", proxy=None) as socket:
            try:
                for message in messages:
                    await socket.send(message)
                while True:
                    await asyncio.wait_for(socket.recv(), 7)
            except ConnectionClosed:
                return

    connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    opus = {"encoding": "audio/opus", "sampleRate": 48000, "channels": 2}
    start = json.dumps({"event": "start", "start": {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": opus}})

    async def attempts():
        before = time.monotonic()
        await asyncio.gather(attempt(connected, start), attempt(*["nonsense"] * 20), attempt(connected))
        return time.monotonic() - before

    assert 4.0 < asyncio.run(attempts()) < 7.0
    metrics = server.metrics()
    assert metrics["agentphone_calls_started_total"] == 2, metrics
    assert metrics["agentphone_calls_live"] == 0 and metrics["agentphone_calls_panicked_total"] == 0, metrics


@proof.check("the call's log replays to the same decisions")
def _():
    status, output = server.replay(notes["id"])
    assert status == 0 and "every decision is the same" in output, (status, output)


@proof.check("the services were asked as services are, and every stream was ended")
def _():
    health = server.get("/healthz")
    assert health["simulated"] == [], health
    # Streams of the call that was ended last may just be closing.
    ended = lambda log: all(s["completed"] + s["refused"] + s["broken_off"] == s["requests"] for s in log.values())
    log = until(lambda: ended(log := simulators.received()) and log, 5, "every stream is ended")
    assert all(service["refused"] == 0 for service in log.values()), log
    hearing, thinking = log["stt"], log["llm"]
    assert hearing["requests"] == hearing["completed"] == hearing["messages"]["CloseStream"] == 2, hearing
    # Pieces of 40 to 120 ms.
    assert hearing["messages"]["Audio"] > 150, hearing
    # Two sentences and a key; one answer was cut by the caller and perhaps one by the end.
    assert 2 <= thinking["requests"] <= 4, thinking


@proof.check("it stops when told to, and its log holds no number, no key and no word of the call")
def _():
    status, log = server.stop()
    assert status == 0, (status, log)
    lines = [line["content"] for line in notes["over"]["engine"]["lines"] if line["content"] != "4"]
    for secret in [FROM[1:], TO[1:], KEY, *lines]:
        assert secret not in log, (secret, log)
    assert simulators.stop() == 0


proof.end()
