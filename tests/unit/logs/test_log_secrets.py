from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.logs.secrets import MASK, mask, mask_lines

# Put together here, so that no scanner takes this file for a leak.
_RANDOM = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"HF_TOKEN=hf_{_RANDOM}", _RANDOM),
        (f"using hf_{_RANDOM} now", _RANDOM),
        (f"git clone https://ghp_{_RANDOM}@github.com/a/b", _RANDOM),
        (f"github_pat_{_RANDOM}", _RANDOM),
        ("aws AKIA" + "ABCDEFGH12345678 x", "ABCDEFGH12345678"),
        (f"aws_secret_access_key = {_RANDOM}+/", _RANDOM),
        (f"'slack': 'xoxb-123456789012-{_RANDOM}'", _RANDOM),
        (f"OPENAI_API_KEY: sk-proj-{_RANDOM}", _RANDOM),
        (f"nvapi-{_RANDOM}", _RANDOM),
        (f"Authorization: Bearer {_RANDOM}", _RANDOM),
        (f"authorization: basic {_RANDOM}==", _RANDOM),
        (f"jwt eyJhbGciOiJIUzI1NiJ9.{_RANDOM}.{_RANDOM}", _RANDOM),
        ("postgres://user:hunter2@db/x", "hunter2"),
        ("password=hunter2", "hunter2"),
        ('{"db_password": "hunter2", "n": 1}', "hunter2"),
        ("PASSWD: 12345", "12345"),
        ("mysql --password hunter2 -h x", "hunter2"),
        ("--api-key 'abcd1234efgh'", "abcd1234efgh"),
        ("wandb api_key: 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
        ("client_secret='s3cr3t-v4lue'", "s3cr3t-v4lue"),
        (f"aws_session_token={_RANDOM}", _RANDOM),
        (f"AccountName=a;AccountKey={_RANDOM}/{_RANDOM}==;End", _RANDOM),
        (f"GET https://a.blob.x/c?sv=1&sig={_RANDOM}%2B", _RANDOM),
        (f"https://b.s3.x/k?X-Amz-Credential=a&X-Amz-Signature={_RANDOM}", _RANDOM),
        (f"token ya29.{_RANDOM}", _RANDOM),
        (f"databricks dapi{_RANDOM}", _RANDOM),
        (f"stripe sk_live_{_RANDOM}", _RANDOM),
        (f"docker login -p dckr_pat_{_RANDOM}", _RANDOM),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, secret: str) -> None:
    masked = mask(line)
    assert secret not in masked
    assert MASK in masked
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "line",
    [
        "tokens: 123456789, tokens/s: 1234.5",
        "num_tokens=4096 max_tokens: 8192",
        "eos_token: <|endoftext|> pad_token=None",
        "Loading tokenizer=meta-llama/Llama-3",
        "Invalid token: Authentication required",
        "token: 151643",
        "basic configuration-of-things, bearer of bad news",
        "PWD=/home/alice/work",
        "password: ****",
        "import sk-learn-something-with-a-long-name",
        "hf_transfer_enabled hf_model_loading_utils",
        "https://example.com:8080/a@b",
        "secret: none, credential: unset",
        "epoch 3 loss 0.123 eyJ",
        "ssh-rsa AAAAB3NzaC1yc2E public",
        "sig=0.05 account_key_vault dapi_version_of_the_client_library",
    ],
)
def test_what_every_training_log_is_full_of_stays(line: str) -> None:
    assert mask(line) == line


_BODY = ["MIIEpAIBAAKCAQEA" + "abcdEFGH0123+/" * 3] * 3 + ["Zm9vYmFy"]


@pytest.mark.parametrize("kind", ["RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
@pytest.mark.parametrize("part", ["whole", "beginning", "end"])
@pytest.mark.parametrize("prefix", ["", "[rank0] ", "2026-11-20 10:09:15 INFO "])
def test_a_private_key_is_masked_even_when_cut(kind: str, part: str, prefix: str) -> None:
    lines = [f"-----BEGIN {kind}-----", "Proc-Type: 4,ENCRYPTED", *_BODY[:3], f"-----END {kind}-----"]
    cut = {"whole": lines, "beginning": lines[:-1], "end": lines[2:]}[part]
    logged = [prefix + line if line in _BODY or "-----" in line else line for line in cut]
    masked = mask_lines(["before it all", *logged, "after it all, too"])
    assert not any("abcdEFGH" in line for line in masked)
    assert masked[0] == "before it all"
    assert masked[-1] == "after it all, too"
    assert len(masked) == len(cut) + 2


def test_a_key_on_one_line_is_masked_with_what_stands_before_it_and_hides_nothing_below() -> None:
    line = "password=hunter2 key='-----BEGIN PRIVATE KEY-----\\nMIIabc\\n-----END PRIVATE KEY-----\\n'"
    assert mask_lines([line, "below"]) == [f"password={MASK} key='{MASK}", "below"]


def test_a_public_certificate_stays() -> None:
    lines = ["-----BEGIN CERTIFICATE-----", *_BODY, "-----END CERTIFICATE-----"]
    assert mask_lines(lines) == lines


def test_a_file_that_a_job_script_carries_and_prints_is_masked_wherever_its_line_was_cut() -> None:
    """As `set -x` of a job script of nemo-evaluator-launcher 0.2.6 prints it: its configuration, secrets and all."""
    carried = base64.b64encode(b"env_vars:\n  TOKEN: lit:not-a-secret\n" * 20).decode()
    whole = f'+ srun bash -c \'echo "" | base64 -d > a && echo "{carried}" | base64 -d > config_ef.yaml\''
    assert mask(whole) == f'+ srun bash -c \'echo "" | base64 -d > a && echo "{MASK}" | base64 -d > config_ef.yaml\''
    assert carried[:64] not in mask(whole[:300])
    assert carried[-64:] not in mask(whole[-300:])
    assert (
        mask("echo shared/experts/of/the/model/" + "weights/" * 3)
        == "echo shared/experts/of/the/model/" + "weights/" * 3
    )


@given(st.lists(st.text(max_size=80), max_size=10))
def test_masking_never_changes_the_number_of_lines_and_is_done_once(lines: list[str]) -> None:
    masked = mask_lines(lines)
    assert len(masked) == len(lines)
    assert mask_lines(masked) == masked


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "eyJa.",
        "password=",
        "sk-",
        "bearer ",
        "://a:",
        "token ",
        "--token ",
        "a.",
        "ghp_",
        "A",
        "=",
        "pwd:",
        "echo A",
    ],
)
def test_no_line_makes_masking_slow(piece: str) -> None:
    before = time.process_time()
    mask(piece * (8192 // len(piece)))
    assert time.process_time() - before < 0.5
