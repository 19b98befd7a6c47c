"""LiteLLM as a library: `litellm_client.py plain|stream|tool MODEL PROMPT`."""

import json
import sys

import litellm
import openai

TOOL = {
    "type": "function",
    "function": {
        "name": "route_ticket",
        "description": "Hand a ticket to a team.",
        "parameters": {
            "type": "object",
            "properties": {"team": {"type": "string", "enum": ["network", "storage"]}},
            "required": ["team"],
            "additionalProperties": False,
        },
    },
}


def main(mode, model, prompt):
    asked = {
        "model": f"anthropic/{model}",
        "max_tokens": 300,
        "messages": [{"role": "user", "content": prompt}],
    }
    if mode == "stream":
        pieces = litellm.completion(**asked, stream=True)
        return {"text": "".join(piece.choices[0].delta.content or "" for piece in pieces)}
    if mode == "tool":
        forced = {"type": "function", "function": {"name": "route_ticket"}}
        [call] = litellm.completion(**asked, tools=[TOOL], tool_choice=forced).choices[0].message.tool_calls
        return {"tool": {"name": call.function.name, "input": json.loads(call.function.arguments)}}
    return {"text": litellm.completion(**asked).choices[0].message.content}


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except openai.APIError as error:
        print(json.dumps({"error": str(error), "status": error.status_code}))
