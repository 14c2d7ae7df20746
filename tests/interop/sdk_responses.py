"""The responses protocol against openai 3.54: sdk_responses.py BASE_URL (which ends in /v1).

Expects the script of examples/simulators.rs, a first token after 300 ms, 60 tokens a second.
"""

import json
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
    "name": "book_appointment",
    "description": "Books an appointment.",
    "parameters": {"type": "object", "properties": {"day": {"type": "string"}, "time": {"type": "string"}}},
    "strict": False,
}
HOURS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What are your opening hours?"}]
HOURS_ANSWER = "We are open from nine to five, Monday to Friday."


def stream(items, **options):
    return client.responses.create(model="gpt-4.1-mini", input=items, stream=True, store=False, **options)


@proof.check("an answer streams token by token, with its end and its usage")
def _():
    events = list(stream(HOURS))
    tokens = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(tokens) == HOURS_ANSWER and len(tokens) == 10, tokens
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    whole = events[-1].response
    assert whole.output_text == HOURS_ANSWER and whole.status == "completed", whole
    assert whole.usage.output_tokens == 10 and whole.usage.input_tokens > 5, whole.usage
    assert received(BASE)["llm"]["last_text"] == "What are your opening hours?"


@proof.check("the SDK's own accumulator agrees")
def _():
    with client.responses.stream(model="m", input=HOURS) as answer:
        for _ in answer:
            pass
        assert answer.get_final_response().output_text == HOURS_ANSWER


@proof.check("the first token comes after 300 ms")
def _():
    def first_token():
        start = time.perf_counter()
        for event in stream(HOURS):
            if event.type == "response.output_text.delta":
                return time.perf_counter() - start

    first_token()
    one = median_ms(first_token)
    print(f"     first token {one:.1f} ms")
    assert 299.5 < one < 1000, one


@proof.check("a function call streams in pieces, and its output is answered")
def _():
    items = [{"role": "user", "content": "Please book me in."}]
    events = list(stream(items, tools=[TOOL]))
    pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    message, call = events[-1].response.output
    assert message.content[0].text == "One moment, please." and call.name == "book_appointment"
    assert len(pieces) > 3 and "".join(pieces) == call.arguments == done[0].arguments, pieces
    assert json.loads(call.arguments) == {"day": "Tuesday", "time": "14:00"}
    items += events[-1].response.output
    try:
        client.responses.create(model="m", input=items, tools=[TOOL])
        raise AssertionError("a call without its output was accepted")
    except openai.BadRequestError as error:
        assert "No tool output" in error.body["message"], error
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "confirmed"})
    answer = client.responses.create(model="m", input=items, tools=[TOOL])
    assert answer.output_text == "You are booked for Tuesday at two.", answer


@proof.check("thoughts are an item of their own when asked for")
def _():
    events = list(stream(HOURS, reasoning={"effort": "low", "summary": "auto"}))
    kinds = [event.item.type for event in events if event.type == "response.output_item.added"]
    assert kinds == ["reasoning", "message"], kinds
    assert any(event.type == "response.reasoning_summary_text.delta" for event in events)


@proof.check("bad requests are refused as OpenAI does")
def _():
    bad = [
        ({"input": []}, "input"),
        ({"input": [{"role": "pirate", "content": "arr"}]}, "input"),
        ({"input": HOURS, "max_output_tokens": 3}, "max_output_tokens"),
        ({"input": HOURS, "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"input": HOURS, "tools": [{**TOOL, "strict": True}]}, "tools"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
    ]
    for options, param in bad:
        try:
            client.responses.create(model="m", **options)
            raise AssertionError(f"it was accepted: {options}")
        except openai.BadRequestError as error:
            assert error.type == "invalid_request_error" and error.param == param, error.body


@proof.check("commanded troubles are what they say")
def _():
    impatient = client.with_options(timeout=0.8)

    def attempt():
        text, end = "", None
        try:
            for event in impatient.responses.create(model="m", input=HOURS, stream=True):
                end = event.type
                text += event.delta if event.type == "response.output_text.delta" else ""
        except Exception as error:
            return text, error
        return text, end

    fault(BASE, service="llm", kind="status", status=429)
    text, error = attempt()
    assert text == "" and isinstance(error, openai.RateLimitError), (text, error)
    fault(BASE, service="llm", kind="stall", after=3)
    text, error = attempt()
    assert text == "We are open" and "time" in repr(error).lower(), (text, error)
    fault(BASE, service="llm", kind="drop", after=2)
    text, error = attempt()
    assert text == "We are" and isinstance(error, Exception), (text, error)
    fault(BASE, service="llm", kind="error", after=2)
    assert attempt() == ("We are", "response.failed")
    fault(BASE, service="llm", kind="blackhole")
    text, error = attempt()
    assert text == "" and isinstance(error, openai.APITimeoutError), (text, error)
    assert attempt() == (HOURS_ANSWER, "response.completed"), "the fault was for one request"


proof.end()
