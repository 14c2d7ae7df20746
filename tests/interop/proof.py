"""What the SDK proofs share: counted checks, a fault switch, and a murmur to recognise."""

import json
import math
import sys
import time
import traceback
import urllib.request


class Proof:
    """Counts checks; a check that raises has failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name):
        def run(function):
            try:
                function()
            except Exception:
                self.failed += 1
                print(f"FAIL {name}")
                traceback.print_exc()
            else:
                self.passed += 1
                print(f"ok   {name}")
            return function

        return run

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def origin(url):
    """Where the simulators of a base URL are told and asked: its host, over HTTP."""
    return "/".join(url.split("/")[:3]).replace("ws", "http", 1) if url.startswith("ws") else "/".join(url.split("/")[:3])


def fault(base, **what):
    """Lets the next request of a service fail."""
    request = urllib.request.Request(
        f"{origin(base)}/simulator/faults", json.dumps(what).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 201


def received(base):
    """What the simulators received so far."""
    with urllib.request.urlopen(f"{origin(base)}/simulator/log", timeout=5) as response:
        return json.load(response)


def median_ms(measure, times=7):
    """The median of several measurements in milliseconds."""
    return sorted(measure() for _ in range(times))[times // 2] * 1000


def murmur(seconds, rate=8000):
    """Bursts of a harmonic sound, 160 ms each with 40 ms between them, as 16-bit samples."""
    samples = []
    for n in range(int(seconds * rate)):
        at = n / rate % 0.2
        edge = max(0.0, min(1.0, at / 0.015, (0.16 - at) / 0.015))
        wave = sum(math.sin(2 * math.pi * 140 * k * n / rate) / k for k in range(1, 12))
        samples.append(int(5000 * edge * wave))
    return samples


def mulaw(samples):
    """G.711 µ-law."""
    table = bytearray()
    for sample in samples:
        sign, value = (0x80, -sample) if sample < 0 else (0, sample)
        value = min(value, 32635) + 132
        exponent = value.bit_length() - 8
        table.append(~(sign | exponent << 4 | value >> (exponent + 3) & 0x0F) & 0xFF)
    return bytes(table)
