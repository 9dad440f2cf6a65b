# about: a pickle cut short
# category: corrupt_data
# retryable: after_change
# evidence: UnpicklingError: pickle data was truncated|EOFError: Ran out of input
# tool: python3 --version
### job
python3 -u - <<'PY'
import pickle
pickle.dump({"epoch": 3, "weights": b"w" * 5000}, open("state.pkl", "wb"))
open("state.pkl", "r+b").truncate(2000)
print("resuming from state.pkl")
pickle.load(open("state.pkl", "rb"))
PY
