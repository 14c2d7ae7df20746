"""The language model and its voice against openai 3.54: sdk_openai.py BASE_URL (which ends in /v1).

Expects the script of examples/simulators.rs, a first token after 300 ms, 60 tokens a second, a first sound after 120 ms.
"""

import json
import struct
import sys
import time

import openai
from openai import OpenAI

from proof import Proof, fault, median_ms, received

BASE = sys.argv[1].rstrip("/")
client = OpenAI(api_key="simulated", base_url=BASE, max_retries=0, timeout=20)
proof = Proof()
TOOL = {
    "type": "function",
    "function": {
        "name": "book_appointment",
        "description": "Books an appointment.",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}, "time": {"type": "string"}}},
    },
}
HOURS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What are your opening hours?"}]
HOURS_ANSWER = "We are open from nine to five, Monday to Friday."


def stream(messages, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, **options)


@proof.check("models are listed")
def _():
    assert "gpt-4o-mini" in [model.id for model in client.models.list()]


@proof.check("an answer streams token by token, with its role, its end and its usage")
def _():
    chunks = list(stream(HOURS, stream_options={"include_usage": True}))
    tokens = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert "".join(tokens) == HOURS_ANSWER and len(tokens) == 10, tokens
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 10, chunks[-1]
    assert len({c.id for c in chunks}) == 1 and chunks[0].object == "chat.completion.chunk"
    assert received(BASE)["llm"]["last_text"] == "What are your opening hours?"


@proof.check("without include_usage there is none")
def _():
    assert all(c.choices and c.usage is None for c in stream(HOURS))


@proof.check("the first token comes after 300 ms, the last after 9 more at 60 a second")
def _():
    def first_token():
        start = time.perf_counter()
        for chunk in stream(HOURS):
            if chunk.choices[0].delta.content:
                return time.perf_counter() - start

    def last_token():
        start = time.perf_counter()
        at = [time.perf_counter() - start for chunk in stream(HOURS) if chunk.choices[0].delta.content]
        return at[-1]

    first_token()
    one, ten = median_ms(first_token), median_ms(last_token)
    print(f"     first token {one:.1f} ms, tenth {ten:.1f} ms")
    assert 299.5 < one < 1000, one
    assert 449.5 < ten < 1500, ten


@proof.check("a tool call streams in pieces, and its result is answered")
def _():
    messages = [{"role": "user", "content": "Please book me in."}]
    calls, spoken = {}, ""
    finish = None
    for chunk in stream(messages, tools=[TOOL]):
        choice = chunk.choices[0]
        spoken += choice.delta.content or ""
        for call in choice.delta.tool_calls or []:
            entry = calls.setdefault(call.index, {"id": call.id, "name": call.function.name, "pieces": []})
            entry["pieces"].append(call.function.arguments)
        finish = choice.finish_reason or finish
    assert spoken == "One moment, please." and finish == "tool_calls", (spoken, finish)
    call = calls[0]
    assert call["name"] == "book_appointment" and len(call["pieces"]) > 3, call
    arguments = "".join(call["pieces"])
    assert json.loads(arguments) == {"day": "Tuesday", "time": "14:00"}
    function = {"name": call["name"], "arguments": arguments}
    messages.append(
        {"role": "assistant", "content": spoken, "tool_calls": [{"id": call["id"], "type": "function", "function": function}]}
    )
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": "confirmed"})
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "You are booked for Tuesday at two.", answer
    assert answer.choices[0].message.tool_calls is None


@proof.check("a tool that is not offered is not called; a whole answer has usage and may be cut by its limit")
def _():
    messages = [{"role": "user", "content": "Please book me in."}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    assert answer.choices[0].message.tool_calls is None and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    cut = client.chat.completions.create(model="gpt-4o-mini", messages=HOURS, max_completion_tokens=3)
    assert cut.choices[0].message.content == "We are open" and cut.choices[0].finish_reason == "length", cut
    called = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[TOOL])
    assert called.choices[0].message.tool_calls[0].function.name == "book_appointment"


@proof.check("order decides where words do not, and what nobody scripted has a plain answer")
def _():
    answers = []
    for turns in (1, 3):
        messages = [{"role": "user", "content": "Hm."}] * turns
        answers.append(client.chat.completions.create(model="m", messages=messages).choices[0].message.content)
    assert answers[0] == "Hello, this is the clinic. How may I help you?", answers
    assert answers[1] and answers[1] != answers[0]


@proof.check("bad requests are refused as OpenAI does")
def _():
    for messages in ([], [{"role": "pirate", "content": "arr"}]):
        try:
            client.chat.completions.create(model="m", messages=messages)
            raise AssertionError("it was accepted")
        except openai.BadRequestError as error:
            assert error.type == "invalid_request_error" and error.param == "messages", error.body


@proof.check("commanded statuses become the SDK's errors")
def _():
    expected = {
        401: openai.AuthenticationError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
    }
    for status, kind in expected.items():
        fault(BASE, service="llm", kind="status", status=status)
        try:
            list(stream(HOURS))
            raise AssertionError("it was accepted")
        except kind as error:
            assert error.status_code == status and error.body["message"], error


@proof.check("commanded delays, stalls, drops, garbage and black holes are what they say")
def _():
    impatient = client.with_options(timeout=0.8)

    def attempt():
        text = ""
        try:
            for chunk in impatient.chat.completions.create(model="m", messages=HOURS, stream=True):
                text += chunk.choices[0].delta.content or ""
        except Exception as error:
            return text, error
        return text, None

    fault(BASE, service="llm", kind="delay", ms=200)
    start = time.perf_counter()
    next(c for c in stream(HOURS) if c.choices[0].delta.content)
    assert 0.4995 < time.perf_counter() - start < 1.5
    fault(BASE, service="llm", kind="stall", after=3)
    text, error = attempt()
    assert text == "We are open" and error is not None and "time" in repr(error).lower(), (text, error)
    fault(BASE, service="llm", kind="drop", after=2)
    text, error = attempt()
    assert text == "We are" and error is not None, (text, error)
    fault(BASE, service="llm", kind="garbage")
    text, error = attempt()
    assert text == "" and error is not None, (text, error)
    fault(BASE, service="llm", kind="blackhole")
    text, error = attempt()
    assert text == "" and isinstance(error, openai.APITimeoutError), (text, error)
    text, error = attempt()
    assert text == HOURS_ANSWER and error is None, "the fault was for one request"


SENTENCE = "Good afternoon, this is the clinic. How may I help you today?"


def speak(**options):
    arguments = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": SENTENCE, "response_format": "pcm", **options}
    return client.audio.speech.with_streaming_response.create(**arguments)


@proof.check("speech is 24 kHz PCM with the length of its words, faster than real time")
def _():
    firsts, wholes = [], []
    for _ in range(5):
        start = time.perf_counter()
        with speak() as response:
            pieces = response.iter_bytes(chunk_size=480)
            piece = next(pieces)
            firsts.append(time.perf_counter() - start)
            sound = piece + b"".join(pieces)
        wholes.append(time.perf_counter() - start)
    at, took = sorted(firsts)[2], sorted(wholes)[2]
    samples = struct.unpack(f"<{len(sound) // 2}h", sound)
    seconds = len(samples) / 24000
    assert 0.25 < seconds / len(SENTENCE.split()) < 0.4, seconds
    level = (sum(s * s for s in samples) / len(samples)) ** 0.5
    assert 2000 < level < 4500 and max(map(abs, samples)) < 32000, level
    print(f"     first sound {at * 1000:.1f} ms, {seconds:.2f} s of sound in {took:.2f} s")
    assert 0.1195 < at < 1.0 and took < 1.0 + seconds / 8, (at, took)


@proof.check("WAV has a header of unknown length before the same sound")
def _():
    with speak() as response:
        pcm = response.read()
    with speak(response_format="wav") as response:
        wav = response.read()
    assert wav[:4] == b"RIFF" and wav[8:16] == b"WAVEfmt " and wav[40:44] == b"\xff" * 4
    assert struct.unpack("<I", wav[24:28]) == (24000,) and wav[44:] == pcm


@proof.check("compressed formats are refused with a word on what is supported")
def _():
    try:
        with speak(response_format="mp3"):
            raise AssertionError("it was accepted")
    except openai.BadRequestError as error:
        assert "pcm" in error.body["message"] and "wav" in error.body["message"], error


proof.end()
