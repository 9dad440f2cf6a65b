# about: a checkpoint of a GPU is loaded without map_location on a node without
# category: cuda not_available
# retryable: after_change
# evidence: Attempting to deserialize object on a CUDA device
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import io, torch, zipfile
torch.save({"w": torch.zeros(3)}, "cpu.pt")
src = zipfile.ZipFile("cpu.pt"); dst = zipfile.ZipFile("gpu.pt", "w", zipfile.ZIP_STORED)
for i in src.infolist():
    dst.writestr(i.filename, src.read(i).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
dst.close()
print("loading gpu.pt")
torch.load("gpu.pt")
PY
