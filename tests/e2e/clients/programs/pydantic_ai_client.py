"""pydantic-ai: `pydantic_ai_client.py stream|schema MODEL PROMPT`. It streams whatever it is asked."""

import json
import sys
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError


class RouteTicket(BaseModel):
    """Where a ticket goes."""

    team: Literal["network", "storage"]


def main(mode, model, prompt):
    if mode == "schema":
        agent = Agent(f"anthropic:{model}", output_type=RouteTicket)
        return {"text": agent.run_sync(prompt).output.model_dump_json()}
    return {"text": Agent(f"anthropic:{model}").run_sync(prompt).output}


if __name__ == "__main__":
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except ModelHTTPError as error:
        print(json.dumps({"error": str(error), "status": error.status_code}))
