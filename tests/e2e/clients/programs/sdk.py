"""A Python SDK of whatever version, as its users use it: `sdk.py plain|stream|tool MODEL PROMPT`."""

import json
import sys

import anthropic

TOOL = {
    "name": "route_ticket",
    "description": "Hand a ticket to a team.",
    "input_schema": {
        "type": "object",
        "properties": {"team": {"type": "string", "enum": ["network", "storage"]}},
        "required": ["team"],
        "additionalProperties": False,
    },
}


def main(mode, model, prompt):
    client = anthropic.Anthropic()
    asked = {"model": model, "max_tokens": 300, "messages": [{"role": "user", "content": prompt}]}
    if mode == "stream":
        with client.messages.stream(**asked) as stream:
            text = "".join(stream.text_stream)
            assert stream.get_final_message().stop_reason == "end_turn"
        return {"text": text}
    if mode == "tool":
        forced = {"type": "tool", "name": TOOL["name"]}
        message = client.messages.create(**asked, tools=[TOOL], tool_choice=forced)
        [call] = [block for block in message.content if block.type == "tool_use"]
        return {"tool": {"name": call.name, "input": call.input}}
    message = client.messages.create(**asked)
    return {"text": "".join(block.text for block in message.content if block.type == "text")}


if __name__ == "__main__":
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except anthropic.APIStatusError as error:
        print(json.dumps({"error": str(error), "status": error.status_code}))
