# about: a handled traceback that stands at the very end, from an optional upload
# category: none
# alone: no
# shows: ConnectionRefusedError
# tool: python3 --version
### job
cat > fit.py <<'PY'
import traceback, urllib.request
for e in range(5):
    print(f"epoch {e}: train_loss={2/(e+1):.3f} val_loss={2.2/(e+1):.3f}", flush=True)
print("Training finished. Best val_loss=0.440", flush=True)
try:
    urllib.request.urlopen("http://127.0.0.1:9/metrics", timeout=2)
except OSError:
    print("could not report to the dashboard (optional):", flush=True)
    traceback.print_exc()
PY
python3 fit.py
