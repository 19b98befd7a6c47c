from claudeflow.client import AsyncClaudeflow as AsyncClaudeflow
from claudeflow.client import Claudeflow as Claudeflow
from claudeflow.client.sdk import anthropic_client as anthropic_client
from claudeflow.client.sdk import async_anthropic_client as async_anthropic_client

__version__: str
