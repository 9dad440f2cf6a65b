"""How much of a model's context the tools take: characters of `tools/list` and of the instructions.

`--write-golden` writes the list that tests/protocol/test_mcp_tools.py compares with, and the answers that the server
gives before the SDK is loaded (server/jobwarden/mcp_server/front.json).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
from mcp import Client

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from jobwarden.mcp_server.app import build_server  # noqa: E402 -- as the line above
from protocol.fake_service import FakeService, find_caller  # noqa: E402 -- the path is set above
from support import baking  # noqa: E402 -- likewise

GOLDEN = ROOT / "tests" / "protocol" / "tools_list.json"
MOST, MOST_INSTRUCTIONS = 9000, 2000


async def main() -> None:
    server = build_server(FakeService(), find_caller=find_caller)
    async with Client(server) as client:
        result = await client.list_tools()
        instructions = client.instructions or ""
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in result.tools]
    if "--write-golden" in sys.argv:
        GOLDEN.write_text(json.dumps(tools, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    whole = len(result.model_dump_json(by_alias=True, exclude_none=True))
    print("tool\tall\tseen by a model (name, description, schema)")
    for tool in tools:
        seen = [tool["name"], tool["description"], tool["inputSchema"]]
        print(f"{tool['name']}\t{_size(tool)}\t{_size(seen)}")
    print(f"tools/list: {whole} characters, {whole / MOST:.0%} of {MOST}")
    print(f"instructions: {len(instructions)} characters, {len(instructions) / MOST_INSTRUCTIONS:.0%}")


def _size(part: object) -> int:
    return len(json.dumps(part, separators=(",", ":"), ensure_ascii=False))


if __name__ == "__main__":
    anyio.run(main)
    if "--write-golden" in sys.argv:
        baking.write()
