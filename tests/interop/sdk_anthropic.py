"""The language model against anthropic 2.12: sdk_anthropic.py BASE_URL.

Expects the script of examples/simulators.rs, a first token after 300 ms, 60 tokens a second.
"""

import sys
import time

import anthropic
from anthropic import Anthropic

from proof import Proof, fault, median_ms, received

BASE = sys.argv[1].rstrip("/")
client = Anthropic(api_key="simulated", base_url=BASE, max_retries=0, timeout=20)
proof = Proof()
TOOL = {
    "name": "book_appointment",
    "description": "Books an appointment.",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}, "time": {"type": "string"}}},
}
HOURS = [{"role": "user", "content": "What are your opening hours?"}]
HOURS_ANSWER = "We are open from nine to five, Monday to Friday."
SYSTEM = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]


def stream(messages, **options):
    return client.messages.stream(model="claude-haiku-4-5", max_tokens=200, system=SYSTEM, messages=messages, **options)


@proof.check("an answer streams token by token, with its end and its usage")
def _():
    with stream(HOURS) as answer:
        tokens = list(answer.text_stream)
        message = answer.get_final_message()
    assert "".join(tokens) == HOURS_ANSWER and len(tokens) == 10, tokens
    assert message.stop_reason == "end_turn" and message.role == "assistant"
    assert message.usage.output_tokens == 10 and message.usage.input_tokens > 5, message.usage
    assert received(BASE)["llm"]["last_text"] == "What are your opening hours?"


@proof.check("the first token comes after 300 ms, the last after 9 more at 60 a second")
def _():
    def moments():
        start = time.perf_counter()
        with stream(HOURS) as answer:
            return [time.perf_counter() - start for _ in answer.text_stream]

    moments()
    one, ten = median_ms(lambda: moments()[0]), median_ms(lambda: moments()[-1])
    print(f"     first token {one:.1f} ms, tenth {ten:.1f} ms")
    assert 299.5 < one < 1000 and 449.5 < ten < 1500, (one, ten)


@proof.check("a tool call streams in pieces, and its result is answered")
def _():
    messages = [{"role": "user", "content": "Please book me in."}]
    with stream(messages, tools=[TOOL]) as answer:
        pieces = [event.partial_json for event in answer if event.type == "input_json"]
        message = answer.get_final_message()
    assert message.stop_reason == "tool_use" and len(pieces) > 3, (message, pieces)
    text, call = message.content
    assert text.text == "One moment, please." and call.name == "book_appointment", message.content
    assert call.input == {"day": "Tuesday", "time": "14:00"}, call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "confirmed"}
    messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=messages, tools=[TOOL])
    assert answer.content[0].text == "You are booked for Tuesday at two.", answer
    messages[2]["content"] = [{"type": "text", "text": "and?"}]
    try:
        client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=messages, tools=[TOOL])
        raise AssertionError("a call without its result was accepted")
    except anthropic.BadRequestError as error:
        assert "tool_use" in error.body["error"]["message"], error


@proof.check("thoughts come before the answer when asked for")
def _():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with stream(HOURS, thinking=thinking) as answer:
        message = answer.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"], message.content
    assert message.content[1].text == HOURS_ANSWER and message.content[0].signature


@proof.check("the limit of tokens cuts")
def _():
    cut = client.messages.create(model="m", max_tokens=3, messages=HOURS)
    assert cut.content[0].text == "We are open" and cut.stop_reason == "max_tokens", cut


@proof.check("bad requests are refused as Anthropic does")
def _():
    for messages in (
        [{"role": "assistant", "content": "Hello."}],
        HOURS + HOURS,
        [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        HOURS + [{"role": "assistant", "content": "We are "}],
    ):
        try:
            client.messages.create(model="m", max_tokens=9, messages=messages)
            raise AssertionError(f"it was accepted: {messages}")
        except anthropic.BadRequestError as error:
            assert error.body["error"]["type"] == "invalid_request_error", error.body
            assert error.body["request_id"] == error.request_id, (error.body, error.request_id)


@proof.check("commanded statuses become the SDK's errors")
def _():
    expected = {
        401: anthropic.AuthenticationError,
        403: anthropic.PermissionDeniedError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        529: anthropic.APIStatusError,
    }
    for status, kind in expected.items():
        fault(BASE, service="llm", kind="status", status=status)
        try:
            with stream(HOURS) as answer:
                list(answer)
            raise AssertionError("it was accepted")
        except kind as error:
            assert error.status_code == status and error.body["type"] == "error", error


@proof.check("commanded delays, stalls, drops, failures, garbage and black holes are what they say")
def _():
    impatient = client.with_options(timeout=0.8)

    def attempt():
        text = ""
        try:
            with impatient.messages.stream(model="m", max_tokens=200, messages=HOURS) as answer:
                for piece in answer.text_stream:
                    text += piece
        except Exception as error:
            return text, error
        return text, None

    fault(BASE, service="llm", kind="stall", after=3)
    text, error = attempt()
    assert text == "We are open" and error is not None, (text, error)
    fault(BASE, service="llm", kind="drop", after=2)
    text, error = attempt()
    assert text == "We are" and error is not None, (text, error)
    fault(BASE, service="llm", kind="error", after=2)
    text, error = attempt()
    assert text == "We are" and isinstance(error, anthropic.APIStatusError), (text, error)
    assert error.body["error"]["type"] == "overloaded_error", error.body
    fault(BASE, service="llm", kind="garbage")
    text, error = attempt()
    assert text == "" and error is not None, (text, error)
    fault(BASE, service="llm", kind="blackhole")
    text, error = attempt()
    assert text == "" and isinstance(error, anthropic.APITimeoutError), (text, error)
    text, error = attempt()
    assert text == HOURS_ANSWER and error is None, "the fault was for one request"


proof.end()
