#!/usr/bin/env python3
# interop: fast
# limit: 60
"""The server against those who get it wrong: keys, bodies, packets. Each is told what is wrong, and others go on."""

import os
import random
import socket
import struct
import subprocess
import time

from proof import Proof
from server import KEY, Server, until

proof = Proof()
server = Server()
# No number in E.164, and nobody else's business.
PRIVATE = "0049 171 5550199"
LEG = {"agentId": "front-desk", "transport": "rtp", "remote": "127.0.0.1:40000", "codec": "PCMU"}


def refused(answer, status, code):
    """Holds an answer to the one shape of errors; gives the body."""
    found, headers, body = answer
    assert found == status, answer
    assert headers["content-type"] == "application/json" and headers["x-request-id"], dict(headers)
    assert body["detail"] == body["message"] == body["error"]["message"] and body["error"]["code"] == code, body
    assert body["error"]["type"] and isinstance(body["error"]["details"], list), body
    return body


class Line:
    """A caller's UDP socket and the call that was attached for it."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.call_id, self.local = server.attach("127.0.0.1:{}".format(self.socket.getsockname()[1]))
        self.sequence = 0

    def send(self, *datagrams):
        for datagram in datagrams:
            self.socket.sendto(datagram, self.local)

    def speak(self, seconds):
        """Silence of the caller, a packet every 20 ms."""
        due = time.monotonic()
        for _ in range(round(seconds * 50)):
            self.send(packet(self.sequence))
            self.sequence += 1
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def heard(self):
        """The agent's packets that came since last asked."""
        packets = []
        while True:
            try:
                packets.append(self.socket.recv(2048))
            except BlockingIOError:
                return packets

    def engine(self):
        return server.call(self.call_id)["engine"]

    def close(self):
        status, _, record = server.ask("DELETE", f"/v1/media/legs/{self.call_id}")
        assert status == 200 and record["status"] == "completed", (status, record)
        self.socket.close()
        return record


def packet(sequence, payload=b"\xff" * 160, payload_type=0, ssrc=0x1234, first=0x80):
    return struct.pack(">BBHII", first, payload_type, sequence & 0xFFFF, sequence * 160, ssrc) + payload


@proof.check("it says what is simulated, in /healthz and in its log")
def _():
    status, _, health = server.ask("GET", "/healthz", key=None)
    assert status == 200 and health["status"] == "ok" and health["simulated"] == ["stt", "llm", "tts"], health
    assert server.ask("GET", "/readyz", key=None)[0] == 200
    for stage, variable in (("stt", "DEEPGRAM_API_KEY"), ("llm", "OPENAI_API_KEY"), ("tts", "ELEVENLABS_API_KEY")):
        said = [line for line in server.log if f"[{stage}] is SIMULATED" in line and variable in line]
        assert len(said) == 1, (stage, server.log)


@proof.check("nothing is told or done without the key")
def _():
    for key in (None, "another-key-4f1c9a", KEY[:-1], KEY + "x"):
        for method, path, body in (
            ("GET", "/v1/calls", None),
            ("GET", "/metrics", None),
            ("POST", "/v1/media/legs", LEG),
            ("DELETE", "/v1/media/legs/call_nobody", None),
        ):
            answer = server.ask(method, path, body, key=key)
            refused(answer, 401, "UNAUTHORIZED")
            assert answer[1]["www-authenticate"] == "Bearer", dict(answer[1])
            assert not key or key not in str(answer[2]), answer
    assert server.metrics()["agentphone_calls_started_total"] == 0


@proof.check("who and what does not exist is not found")
def _():
    refused(server.ask("POST", "/v1/media/legs", {**LEG, "agentId": "nobody"}), 404, "NOT_FOUND")
    for method, path in (
        ("GET", "/v1/calls/call_nobody"),
        ("GET", "/v1/calls/call_nobody/events"),
        ("GET", "/v1/calls/call_nobody/transcript"),
        ("DELETE", "/v1/media/legs/call_nobody"),
        ("POST", "/v1/calls/call_nobody/end"),
        ("GET", "/v1/agents/nobody"),
        ("GET", "/nowhere"),
    ):
        refused(server.ask(method, path), 404, "NOT_FOUND")
    refused(server.ask("PUT", "/v1/calls"), 405, "METHOD_NOT_ALLOWED")
    refused(server.ask("GET", "/v1/numbers"), 501, "NOT_IMPLEMENTED")


@proof.check("what is wrong with a body is said, field by field")
def _():
    for body in ("{", "[1]", "null", '{"agentId"', "\x00\xff", '{"agentId": "front-desk",}'):
        body = refused(server.ask("POST", "/v1/media/legs", body.encode()), 422, "VALIDATION_ERROR")
        assert body["error"]["details"][0]["field"] == "body", body
    for change, field in (
        ({"agentId": None}, "agentId"),
        ({"agentId": 7}, "agentId"),
        ({"transport": "carrier-pigeon"}, "transport"),
        ({"remote": "localhost"}, "remote"),
        ({"remote": "0.0.0.0:4000"}, "remote"),
        ({"remote": "224.0.0.1:4000"}, "remote"),
        ({"remote": "192.0.2.1:4000"}, "remote"),
        ({"codec": "MP3"}, "codec"),
        ({"payloadType": 8}, "payloadType"),
        ({"from": PRIVATE}, "from"),
        ({"direction": "sideways"}, "direction"),
    ):
        body = refused(server.ask("POST", "/v1/media/legs", {**LEG, **change}), 422, "VALIDATION_ERROR")
        assert [detail["field"] for detail in body["error"]["details"]] == [field], (change, body)
        assert PRIVATE not in str(body), body
    body = refused(server.ask("POST", "/v1/media/legs", {}), 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in body["error"]["details"]] == ["agentId", "transport"], body
    refused(server.ask("POST", "/v1/media/legs", b" " * 100_000), 413, "PAYLOAD_TOO_LARGE")
    refused(server.ask("GET", "/v1/calls?limit=1000"), 422, "VALIDATION_ERROR")
    assert server.metrics()["agentphone_calls_started_total"] == 0


@proof.check("what is no HTTP is refused, and the next request is served")
def _():
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GARBAGE\r\n\r\n", os.urandom(4096)):
        with socket.create_connection(server.address, timeout=5) as connection:
            try:
                connection.sendall(nonsense)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(4096)[:12] in (b"", b"HTTP/1.1 400"), nonsense
            except OSError as error:
                # It may hang up before all is sent.
                assert not isinstance(error, TimeoutError), nonsense
    assert server.get("/healthz")["status"] == "ok"


@proof.check("a caller's bad packets are counted one by one, and the call goes on")
def _():
    line, other = Line(), Line()
    line.speak(0.5)
    before = line.engine()["inbound"]
    good = packet(0)
    n = line.sequence
    malformed = [b"\x80", good[:11], b"\x40" + good[1:], b"\xa0" + good[1:-1] + b"\xff", b"\x8f" + good[1:20]]
    line.send(*malformed)
    line.send(packet(n - 1), packet(n - 2))
    line.send(*[packet(n + at, ssrc=0x9999) for at in (0, 40)])
    line.send(packet(n, payload_type=96), packet(n + 1, payload_type=34))
    line.sequence += 2
    line.speak(0.5)
    # RFC 3550 counts what came twice as received too.
    after = until(lambda: (e := line.engine())["inbound"]["received"] >= before["received"] + 27 and e, 5, "it goes on")
    counted = {name: after["inbound"][name] - before[name] for name in before if name != "jitterMs"}
    assert counted["malformed"] == len(malformed), counted
    assert counted["duplicate"] + counted["late"] == 2, counted
    assert counted["foreign"] == 2 and counted["unknownPayload"] == 2, counted
    assert (counted["received"], counted["lost"], counted["restarts"]) == (27, 0, 0), counted
    heard = line.heard()
    assert len(heard) > 40 and all(len(sent) == 172 and sent[0] == 0x80 for sent in heard), len(heard)
    assert line.close()["engine"]["inbound"]["malformed"] == len(malformed)
    assert other.engine()["inbound"]["malformed"] == 0 and len(other.heard()) > 40
    other.close()


@proof.check("a caller who floods is limited, the agent keeps its pace, the other call notices nothing")
def _():
    line, other = Line(), Line()
    line.speak(0.3)
    seeded = random.Random(11)
    garbage = [seeded.randbytes(seeded.randrange(1, 300)) for _ in range(50)] + [packet(1 << 15, ssrc=5)]
    line.heard(), other.heard()
    begin, sent, heard, others = time.monotonic(), 0, [], []
    while sent < 40_000 and time.monotonic() - begin < 2.0:
        line.send(*garbage)
        sent += len(garbage)
        heard += line.heard()
        others += other.heard()
    line.speak(1.0)
    heard += line.heard()
    others += other.heard()
    elapsed = time.monotonic() - begin
    engine = until(lambda: (e := line.engine())["leg"]["rateLimited"] and e, 5, "it is limited")
    limited, taken = engine["leg"]["rateLimited"], engine["inbound"]["received"]
    print(f"     {sent} datagrams: {limited} over the limit, {len(heard) / elapsed:.0f} packets a second back")
    for packets in (heard, others):
        assert abs(len(packets) - 50 * elapsed) < 15, (len(packets), elapsed)
        numbers = [int.from_bytes(sent[2:4], "big") for sent in packets]
        assert all(b - a & 0xFFFF == 1 for a, b in zip(numbers, numbers[1:])), numbers
    assert taken > 15 + 20, engine
    line.close()
    assert other.engine()["leg"]["rateLimited"] == 0
    other.close()


@proof.check("a configuration that cannot be is refused with its place, and exit status 2")
def _():
    for text, said in (
        ("[server\n", "bad.toml:1"),
        ('[server]\nlisten = "0.0.0.0:8080"\n[[agents]]\nid = "a"\nsystemPrompt = "b"\n', "AGENTPHONE_API_KEY"),
        ('[server]\nlissten = "127.0.0.1:1"\n[[agents]]\nid = "a"\nsystemPrompt = "b"\n', "did you mean `listen`?"),
        ('[stt]\nbase_url = "http://127.0.0.1:9"\n[[agents]]\nid = "a"\nsystemPrompt = "b"\n', 'provider = "simulator"'),
        ("", "agents"),
    ):
        file = server.folder / "bad.toml"
        file.write_text(text)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTPHONE_API")}
        command = [os.environ["AGENTPHONE_BIN"], "serve", "--config", file]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 2 and said in done.stderr, (text, done)


@proof.check("told to stop it takes no new call, lets the last one end, and stops; no call ended by a bug")
def _():
    line = Line()
    line.speak(0.2)
    server.drain()
    until(lambda: server.ask("GET", "/readyz", key=None)[0] == 503, 3, "it is not ready")
    answer = server.ask("POST", "/v1/media/legs", LEG)
    refused(answer, 503, "UNAVAILABLE")
    assert int(answer[1]["retry-after"]) >= 1, dict(answer[1])
    line.heard()
    line.speak(0.5)
    assert len(line.heard()) > 20, "the call goes on"
    metrics = server.metrics()
    assert (metrics["agentphone_draining"], metrics["agentphone_calls_live"]) == (1, 1), metrics
    assert metrics["agentphone_calls_panicked_total"] == 0, metrics
    begin = time.monotonic()
    line.close()
    status, log = server.ended()
    # It would have waited for five seconds.
    assert status == 0 and time.monotonic() - begin < 3.0, (status, time.monotonic() - begin)
    assert "panicked" not in log and KEY not in log and PRIVATE not in log, log


proof.end()
