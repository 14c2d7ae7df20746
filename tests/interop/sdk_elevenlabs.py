"""The voice against elevenlabs 2.78: sdk_elevenlabs.py BASE_URL.

Expects a first sound after 120 ms and eight seconds of sound a second.
"""

import base64
import json
import sys
import time

from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types.alignment import Alignment
from elevenlabs.types.close_context import CloseContext
from elevenlabs.types.flush_context import FlushContext
from elevenlabs.types.initialise_context import InitialiseContext
from elevenlabs.types.initialize_connection_multi import InitializeConnectionMulti
from elevenlabs.types.keep_context_alive import KeepContextAlive
from elevenlabs.types.send_text_multi import SendTextMulti
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from proof import Proof, fault, received

BASE = sys.argv[1].rstrip("/")
SOCKET = BASE.replace("http", "ws", 1)
client = ElevenLabs(api_key="simulated", base_url=BASE)
# The SDK forces wss; a simulator on loopback has no certificate.
client.text_to_speech._ws_base_url = SOCKET
proof = Proof()
VOICE = "21m00Tcm4TlvDq8ikWAM"
SENTENCE = "Good afternoon, this is the clinic. How may I help you today?"
WORDS = len(SENTENCE.split())


def stream(output_format="ulaw_8000", text=SENTENCE):
    return client.text_to_speech.stream(
        VOICE, text=text, output_format=output_format, model_id="eleven_flash_v2_5", request_options={"max_retries": 0}
    )


@proof.check("HTTP streams µ-law with the length of its words, faster than real time")
def _():
    firsts, wholes = [], []
    for _ in range(5):
        start = time.perf_counter()
        chunks = iter(stream())
        chunk = next(chunks)
        firsts.append(time.perf_counter() - start)
        sound = chunk + b"".join(chunks)
        wholes.append(time.perf_counter() - start)
    at, took = sorted(firsts)[2], sorted(wholes)[2]
    seconds = len(sound) / 8000
    assert 0.25 < seconds / WORDS < 0.4, seconds
    print(f"     first sound {at * 1000:.1f} ms, {seconds:.2f} s of sound in {took:.2f} s")
    assert 0.1195 < at < 1.0 and took < 1.0 + seconds / 8, (at, took)
    assert received(BASE)["tts"]["last_text"] == SENTENCE


@proof.check("every format is the same sound at its own rate")
def _():
    seconds = len(b"".join(stream())) / 8000
    for name, bytes_per_second in {
        "alaw_8000": 8000,
        "pcm_8000": 16000,
        "pcm_16000": 32000,
        "pcm_22050": 44100,
        "pcm_24000": 48000,
        "pcm_44100": 88200,
    }.items():
        length = len(b"".join(stream(name))) / bytes_per_second
        assert abs(length - seconds) < 0.002, (name, length, seconds)
    converted = client.text_to_speech.convert(VOICE, text=SENTENCE, output_format="ulaw_8000")
    assert b"".join(converted) == b"".join(stream())


@proof.check("compressed formats and missing text are refused")
def _():
    for arguments, status in (({"output_format": "mp3_44100_128"}, 400), ({"text": " "}, 400)):
        try:
            b"".join(stream(**arguments))
            raise AssertionError("it was accepted")
        except ApiError as error:
            assert error.status_code == status and error.body["detail"]["message"], error


@proof.check("commanded statuses become the SDK's errors, and a black hole its timeout")
def _():
    for status in (401, 429, 500):
        fault(BASE, service="tts", kind="status", status=status)
        try:
            b"".join(stream())
            raise AssertionError("it was accepted")
        except ApiError as error:
            assert error.status_code == status and error.body["detail"]["status"], error


@proof.check("convert_realtime speaks a generator of text")
def _():
    pieces = iter(["Good afternoon, ", "this is the clinic. ", "How may I help ", "you today?"])
    chunks = list(client.text_to_speech.convert_realtime(VOICE, text=pieces, output_format="ulaw_8000"))
    seconds = sum(map(len, chunks)) / 8000
    assert len(chunks) > 5 and 0.25 < seconds / WORDS < 0.4, (len(chunks), seconds)


def converse(messages, query="output_format=ulaw_8000&auto_mode=true&sync_alignment=true"):
    """Sends messages; gives what came as (seconds since the first text, message), and how the socket was closed."""
    heard = []
    url = f"{SOCKET}/v1/text-to-speech/{VOICE}/stream-input?model_id=eleven_flash_v2_5&{query}"
    with connect(url, additional_headers={"xi-api-key": "simulated"}) as socket:
        for message in messages:
            socket.send(json.dumps(message))
        start = time.perf_counter()
        try:
            while True:
                message = socket.recv(timeout=5)
                heard.append((time.perf_counter() - start, json.loads(message)))
        except ConnectionClosed:
            return heard, socket.close_code


@proof.check("stream-input: alignment agrees with the sound to the millisecond, isFinal, close 1000")
def _():
    second = "Please hold the line, I will be right back. "
    heard, code = converse([{"text": " "}, {"text": SENTENCE + " "}, {"text": second}, {"text": ""}])
    assert code == 1000 and heard[-1][1]["isFinal"] is True and heard[-1][1]["audio"] is None, heard[-1]
    assert 0.115 < heard[0][0] < 1.0, heard[0][0]
    text, word_starts, at_ms = "", [], 0
    for _, message in heard[:-1]:
        length = len(base64.b64decode(message["audio"])) / 8
        assert 0 < length < 500, length
        alignment = Alignment(**message["alignment"])
        spoken = zip(alignment.chars, alignment.char_start_times_ms, alignment.char_durations_ms)
        end = 0
        for char, start, duration in spoken:
            assert start == end, "characters follow one another"
            end = start + duration
            if not char.isspace() and (not text or text[-1].isspace()):
                word_starts.append(at_ms + start)
            text += char
        assert abs(end - length) <= 1, (end, length)
        at_ms += length
    assert text == SENTENCE + " " + second, text
    assert len(word_starts) == len(text.split()) and word_starts == sorted(word_starts)
    sound = b"".join(base64.b64decode(m["audio"]) for _, m in heard[:-1])
    loud = [n for n, byte in enumerate(sound) if byte & 0x7F < 0x60]
    assert abs(loud[0] / 8 - word_starts[0]) < 30, "the sound begins with its first word"
    took = heard[-2][0]
    assert took < 1.2 + at_ms / 1000 / 8, took


@proof.check("stream-input: text waits for its schedule, flush does not")
def _():
    waiting = [{"text": " ", "generation_config": {"chunk_length_schedule": [120]}}, {"text": "Too short. "}]
    url = f"{SOCKET}/v1/text-to-speech/{VOICE}/stream-input?output_format=pcm_16000"
    with connect(url, additional_headers={"xi-api-key": "simulated"}) as socket:
        for message in waiting:
            socket.send(json.dumps(message))
        try:
            socket.recv(timeout=0.4)
            raise AssertionError("it spoke before its schedule")
        except TimeoutError:
            pass
        socket.send(json.dumps({"text": " ", "flush": True}))
        message = json.loads(socket.recv(timeout=1))
        assert len(base64.b64decode(message["audio"])) > 1000


@proof.check("stream-input: what is wrong is told, then closed with 1008")
def _():
    for query, messages, error in (
        ("output_format=mp3_44100_128", [], "invalid_output_format"),
        ("output_format=ulaw_8000", [{"no": "text"}], "invalid_message"),
        ("output_format=ulaw_8000&inactivity_timeout=1", [{"text": " "}], "input_timeout_exceeded"),
    ):
        heard, code = converse(messages, query)
        assert code == 1008 and heard[-1][1]["error"] == error and heard[-1][1]["message"], (heard, code)


@proof.check("stream-input: a commanded stall takes the text and falls silent")
def _():
    fault(BASE, service="tts", kind="stall", after=2)
    url = f"{SOCKET}/v1/text-to-speech/{VOICE}/stream-input?output_format=ulaw_8000&auto_mode=true"
    with connect(url, additional_headers={"xi-api-key": "simulated"}) as socket:
        socket.send(json.dumps({"text": SENTENCE}))
        socket.recv(timeout=1)
        socket.recv(timeout=1)
        try:
            socket.recv(timeout=0.5)
            raise AssertionError("it went on")
        except TimeoutError:
            pass


def contexts(messages, until):
    """Sends messages over contexts; gives what came up to the `until`-th end of a context."""
    url = f"{SOCKET}/v1/text-to-speech/{VOICE}/multi-stream-input?model_id=eleven_flash_v2_5&output_format=ulaw_8000&auto_mode=true"
    heard = []
    with connect(url, additional_headers={"xi-api-key": "simulated"}) as socket:
        for message in messages:
            socket.send(json.dumps(message))
        while sum(message.get("isFinal") is True for message in heard) < until:
            heard.append(json.loads(socket.recv(timeout=5)))
    return heard


@proof.check("multi-stream-input: contexts speak side by side, each with its own end")
def _():
    # The messages are those of the SDK's types, which has no client for them.
    messages = [
        InitializeConnectionMulti(text=" ", context_id="one").dict(exclude_none=True),
        InitialiseContext(text=" ", context_id="two").dict(exclude_none=True),
        SendTextMulti(text=SENTENCE + " ", context_id="one").dict(exclude_none=True),
        SendTextMulti(text="Please hold the line. ", context_id="two").dict(exclude_none=True),
        # A keep-alive: it ends nothing.
        KeepContextAlive(text="", context_id="one").dict(exclude_none=True),
        FlushContext(context_id="one", flush=True).dict(exclude_none=True),
        CloseContext(context_id="two", close_context=True).dict(exclude_none=True),
        CloseContext(context_id="one", close_context=True).dict(exclude_none=True),
    ]
    heard = contexts(messages, 2)
    for name, words in (("one", WORDS), ("two", 4)):
        own = [m for m in heard if m["contextId"] == name]
        assert own[-1]["isFinal"] is True, own[-1]
        seconds = sum(len(base64.b64decode(m["audio"])) for m in own[:-1]) / 8000
        assert 0.25 < seconds / words < 0.5, (name, seconds)
        chars = "".join(char for m in own[:-1] for char in Alignment(**m["alignment"]).chars)
        assert len(chars.split()) == words, chars


@proof.check("multi-stream-input: a sixth context is refused")
def _():
    try:
        contexts([{"text": " ", "context_id": str(n)} for n in range(6)], 1)
        raise AssertionError("it was accepted")
    except (ConnectionClosed, TimeoutError) as error:
        assert isinstance(error, ConnectionClosed) and error.rcvd.code == 1008, error


proof.end()
