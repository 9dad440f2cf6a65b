# about: tests that pass while they log at ERROR level
# category: none
# shows: passed
# needs: venv
# tool: venv pytest
### job
source /opt/venvs/train/bin/activate
cat > test_errors.py <<'PY'
import logging, pytest
log = logging.getLogger("server")
def test_disk_full_is_reported():
    log.error("OSError: [Errno 28] No space left on device")
    log.critical("FATAL: out of memory, killing worker")
def test_raises_on_bad_token():
    with pytest.raises(PermissionError):
        log.error("401 Unauthorized: invalid token")
        raise PermissionError("no")
@pytest.mark.parametrize("error", ["MemoryError", "Segmentation fault", "NCCL timeout"])
def test_error_is_classified(error):
    log.error("seen: %s", error)
@pytest.mark.xfail(reason="CUDA error: not supported yet", strict=True)
def test_not_yet():
    raise RuntimeError("CUDA error: out of memory")
PY
python -m pytest -v -rx -o log_cli=true -o log_cli_level=INFO test_errors.py -p no:cacheprovider
