# about: an ExceptionGroup of a task group: one request was refused, the others cancelled
# category: network
# retryable: yes
# evidence: ConnectionRefusedError: \[Errno 111\]
# tool: python3 --version
### job
cat > client.py <<'PY'
import asyncio
async def ask(n):
    await asyncio.sleep(0.01 * n)
    r, w = await asyncio.open_connection("127.0.0.1", 8731)
async def other():
    await asyncio.sleep(30)
async def main():
    async with asyncio.TaskGroup() as tg:
        tg.create_task(ask(1)); tg.create_task(other()); tg.create_task(other())
print("connecting to the judge at 127.0.0.1:8731")
asyncio.run(main())
PY
python3 -u client.py
