"""pydantic-ai: `pydantic_ai_client.py plain|stream|schema MODEL PROMPT`. Without `max_tokens` it streams."""

import json
import sys
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent, ModelSettings
from pydantic_ai.exceptions import ModelHTTPError


class RouteTicket(BaseModel):
    """Where a ticket goes."""

    team: Literal["network", "storage"]


def main(mode, model, prompt):
    if mode == "schema":
        agent = Agent(f"anthropic:{model}", output_type=RouteTicket)
        return {"text": agent.run_sync(prompt).output.model_dump_json()}
    settings = ModelSettings(max_tokens=2_000) if mode == "plain" else None
    return {"text": Agent(f"anthropic:{model}", model_settings=settings).run_sync(prompt).output}


if __name__ == "__main__":
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except ModelHTTPError as error:
        print(json.dumps({"error": str(error), "status": error.status_code}))
