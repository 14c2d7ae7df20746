"""The recogniser as vosk-server's own test client talks to it, over websockets 17: sdk_vosk.py BASE_URL.

Expects the script of examples/simulators.rs.
"""

import json
import struct
import sys

from websockets.sync.client import connect

from proof import Proof, murmur

URL = sys.argv[1]
proof = Proof()


def listen(samples, rate):
    """Sends `samples` in chunks of 200 ms, each when the one before was answered; gives all answers."""
    heard = []
    with connect(URL) as socket:
        socket.send(json.dumps({"config": {"sample_rate": rate, "words": True}}))
        for n in range(0, len(samples), rate // 5):
            chunk = samples[n : n + rate // 5]
            socket.send(struct.pack(f"<{len(chunk)}h", *chunk))
            heard.append(json.loads(socket.recv(timeout=5)))
        socket.send('{"eof" : 1}')
        heard.append(json.loads(socket.recv(timeout=5)))
    return heard


@proof.check("every chunk has one answer, an utterance its words and times")
def _():
    for rate in (8000, 16000):
        heard = listen(murmur(1.6, rate) + [0] * rate, rate)
        said = [answer for answer in heard if answer.get("text")]
        assert [answer["text"] for answer in said] == ["hello i would like to book an appointment"], heard
        words = said[0]["result"]
        assert [word["word"] for word in words] == said[0]["text"].split(), words
        assert all(a["end"] <= b["start"] + 1e-6 for a, b in zip(words, words[1:])), words
        assert any(answer.get("partial") for answer in heard), heard


@proof.check("the end gives what there is")
def _():
    heard = listen(murmur(1.4), 8000)
    assert heard[-1]["text"] == "hello i would like to book an appointment", heard


proof.end()
