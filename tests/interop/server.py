"""What the cases that call the running server share: `agentphone serve` itself, its API, and the sounds of a call."""

import http.client
import json
import math
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from proof import fault, received

AUDIO = Path(__file__).resolve().parents[2] / "fixtures/audio"
KEY = "interop-key-4f1c9a"
GREETING = "Hello, this is the front desk. How can I help you?"
FROM, TO = "+14155550100", "+14155550101"
CONFIG = """
[server]
listen = "127.0.0.1:0"
drain_seconds = 5

[engine]
max_calls = {max_calls}

[rtp]
ports = "{ports}"

[recording]
dir = "{folder}/recordings"
format = "{recording}"

[log]
dir = "{folder}/logs"

[[agents]]
id = "front-desk"
name = "Front desk"
systemPrompt = "You answer the telephone of a small restaurant."
beginMessage = "{greeting}"
"""


class Simulators:
    """`agentphone simulators`: the speech services in a process of their own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.environ["AGENTPHONE_BIN"], "simulators", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        )
        assert "Simulated" in self.process.stdout.readline()
        self.environment = {}
        # As many vendors as there are; this one is the last.
        while "WHISPER_BASE_URL" not in self.environment:
            name, value = self.process.stdout.readline().strip().removeprefix("export ").split("=", 1)
            self.environment[name] = value

    def received(self):
        """What each service received."""
        return received(self.environment["DEEPGRAM_BASE_URL"])

    def fail(self, **how):
        """Lets the next request of a service fail."""
        fault(self.environment["DEEPGRAM_BASE_URL"], **how)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


class Server:
    """`agentphone serve` on free loopback ports. Without `services` hearing, thinking and speaking are simulated in it."""

    def __init__(self, max_calls=8, services=None, recording="pcm16"):
        self.folder = Path(os.environ["INTEROP_TMP"])
        # Below the ephemeral ports, in a place of its own as long as few run at a time.
        first = 12_000 + os.getpid() % 180 * 100
        config = self.folder / "agentphone.toml"
        config.write_text(
            CONFIG.format(max_calls=max_calls, ports=f"{first}-{first + 99}", folder=self.folder, greeting=GREETING, recording=recording)
        )
        vendors = ("ANTHROPIC_", "DEEPGRAM_", "OPENAI_", "ELEVENLABS_", "AGENTPHONE_API", "RUST_LOG")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(vendors)}
        environment.update(AGENTPHONE_API_KEY=KEY, AGENTPHONE_LOG="info", **(services or {}))
        self.log = []
        self.process = subprocess.Popen(
            [os.environ["AGENTPHONE_BIN"], "--log-json", "serve", "--config", config],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = None
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._listening.wait(20), f"it does not listen: {self.log}"
        assert self.address, f"it stopped: {self.log}"

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
            if fields.get("message") == "listening":
                host, port = fields["address"].rsplit(":", 1)
                self.address = host, int(port)
                self._listening.set()
        self._listening.set()

    def ask(self, method, path, body=None, key=KEY):
        """One request; gives the status, the headers and the body, read as JSON where it is JSON."""
        connection = http.client.HTTPConnection(*self.address, timeout=15)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["content-type"] = "application/json"
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.status, response.headers, json.loads(text) if is_json else text

    def get(self, path):
        """The body of a GET that succeeds."""
        status, _, body = self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body

    def call(self, call_id):
        return self.get(f"/v1/calls/{call_id}")

    def attach(self, remote, **more):
        """Attaches a call over RTP; gives its id and where its media port is."""
        wanted = {"agentId": "front-desk", "transport": "rtp", "remote": remote, "codec": "PCMU", "direction": "inbound"}
        status, _, leg = self.ask("POST", "/v1/media/legs", {**wanted, "from": FROM, "to": TO, **more})
        assert status == 201, (status, leg)
        host, port = leg["local"].rsplit(":", 1)
        return leg["callId"], (host, int(port))

    def metrics(self):
        """Every number of /metrics that has no label."""
        lines = [line for line in self.get("/metrics").splitlines() if line and line[0] != "#" and "{" not in line]
        return {name: float(value) for name, value in (line.split() for line in lines)}

    def drain(self):
        """Asks it to stop once its calls are over."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Asks it to stop and waits; gives its exit status and what it wrote to its log."""
        self.drain()
        return self.ended()

    def ended(self):
        """Waits for it to end; gives its exit status and what it wrote to its log."""
        status = self.process.wait(15)
        self._reader.join(5)
        return status, "".join(self.log)

    def replay(self, call_id):
        """Runs the log of an ended call through the binary once more; gives exit status and output."""
        log = self.folder / "logs" / f"{call_id}.log"
        done = subprocess.run(
            [os.environ["AGENTPHONE_BIN"], "replay", log], capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr


class Events:
    """The server-sent events of a call, read as they come."""

    def __init__(self, server, call_id):
        self.seen = []
        self._changed = threading.Condition()
        self._connection = http.client.HTTPConnection(*server.address, timeout=40)
        self._connection.request("GET", f"/v1/calls/{call_id}/events", headers={"authorization": f"Bearer {KEY}"})
        self._response = self._connection.getresponse()
        assert self._response.status == 200, self._response.status
        assert self._response.headers["content-type"].startswith("text/event-stream"), self._response.headers
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        name = None
        for raw in self._response:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                with self._changed:
                    self.seen.append((name, json.loads(line.removeprefix("data: "))))
                    self._changed.notify_all()

    def wait(self, name, seconds=10, **fields):
        """The first event of this name with these fields, which may have come already."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for seen, data in self.seen:
                    if seen == name and all(data.get(key) == value for key, value in fields.items()):
                        return data
                left = deadline - time.monotonic()
                assert left > 0, f"no {name} {fields} within {seconds} s: {self.names()}"
                self._changed.wait(left)

    def names(self):
        return [name for name, _ in self.seen]

    def join(self):
        """Waits for the server to end the stream."""
        self._reader.join(10)
        assert not self._reader.is_alive(), "the stream of events goes on"


def until(holds, seconds, what):
    """Asks until it holds; gives what held."""
    deadline = time.monotonic() + seconds
    while not (held := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return held


def speech(name):
    """The µ-law bytes of a fixture (a WAV with format tag 7), filled up to whole packets of 20 ms."""
    riff = (AUDIO / f"{name}.wav").read_bytes()
    at = 12
    while riff[at : at + 4] != b"data":
        at += 8 + int.from_bytes(riff[at + 4 : at + 8], "little")
    sound = riff[at + 8 : at + 8 + int.from_bytes(riff[at + 4 : at + 8], "little")]
    return sound + silence(-len(sound) % 160 / 8000)


def silence(seconds):
    return b"\xff" * round(seconds * 8000)


def _linear(byte):
    byte = ~byte & 0xFF
    value = (((byte & 0x0F) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -value if byte & 0x80 else value


LINEAR = [_linear(byte) for byte in range(256)]


def voiced(samples, rate=8000, window=0.05, gap=0.5, floor_dbfs=-45.0):
    """Where there is voice: (start, end) in seconds; pauses shorter than `gap` belong to it."""
    size, spans = int(rate * window), []
    for at in range(0, len(samples) - size + 1, size):
        power = sum(s * s for s in samples[at : at + size]) / size
        if 10 * math.log10(power / 32768**2 + 1e-12) > floor_dbfs:
            start, end = at / rate, (at + size) / rate
            if spans and start - spans[-1][1] < gap:
                spans[-1][1] = end
            else:
                spans.append([start, end])
    return [tuple(span) for span in spans]


def within(spans, start, end):
    """Seconds of voice between two times."""
    return sum(max(0.0, min(end, b) - max(start, a)) for a, b in spans)
