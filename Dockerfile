# The HTTP form of the MCP server:
#   docker build -t jobwarden . && docker run -p 127.0.0.1:8642:8642 -e JOBWARDEN_HTTP_TOKEN=... -v ~/.ssh:/home/jobwarden/.ssh:ro jobwarden
# Jobs of "localhost" are those of the container: it is for clusters that are reached by ssh.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir "uv>=0.9"
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE .mcp.json .mcp.codex.json ./
COPY server server
COPY registry registry
COPY hooks hooks
COPY skills skills
RUN uv sync --locked --no-dev --no-editable --compile-bytecode

FROM python:3.13-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home jobwarden
COPY --from=build /app/.venv /app/.venv
USER jobwarden
WORKDIR /home/jobwarden
RUN mkdir -p .local/state/jobwarden && chmod 700 .local/state/jobwarden
VOLUME /home/jobwarden/.local/state/jobwarden
EXPOSE 8642
ENTRYPOINT ["/app/.venv/bin/jobwarden"]
CMD ["serve", "--http", "--host", "0.0.0.0"]
