"""Asyncio: ask three questions about one document at the same time, and follow what happens meanwhile.

CLAUDEFLOW_SOCKET=my.sock python examples/python/fan_out.py document.txt
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from claudeflow import AsyncClaudeflow

QUESTIONS = ("What is this about?", "What does it ask the reader to do?", "What is unclear in it?")


async def ask(flow: AsyncClaudeflow, document: str, question: str) -> str:
    """One answer. The document stands first in each request, so all but one read it from the cache."""
    handle = await flow.submit(
        request={
            "model": "claude-sonnet-5-5",
            "max_tokens": 500,
            "system": [{"type": "text", "text": document}],
            "messages": [{"role": "user", "content": question}],
        }
    )
    return await handle.text(timeout_s=600)


async def main() -> None:
    """Print each question with its answer."""
    document = await asyncio.to_thread(Path(sys.argv[1]).read_text, encoding="utf-8")
    async with AsyncClaudeflow(workflow="document-questions") as flow:
        answers = await asyncio.gather(*(ask(flow, document, question) for question in QUESTIONS))
    for question, answer in zip(QUESTIONS, answers, strict=True):
        print(f"{question}\n{answer}\n")


if __name__ == "__main__":
    asyncio.run(main())
