# about: a truncated HDF5 file
# category: corrupt_data
# retryable: after_change
# evidence: truncated file|file signature not found
# needs: venv
# tool: venv h5py
### job
source /opt/venvs/train/bin/activate
python -u -c '
import h5py, numpy as np
with h5py.File("d.h5", "w") as f: f["x"] = np.zeros(50000)
open("d.h5", "r+b").truncate(100000)
print("opening d.h5"); h5py.File("d.h5")'
