# about: one file after the other is opened, none closed
# category: resource_limit
# retryable: after_change
# evidence: OSError: \[Errno 24\] Too many open files
# tool: python3 --version
### job
ulimit -n 64
mkdir shards; for i in $(seq -w 0 99); do echo "$i" > shards/$i.txt; done
python3 -u - <<'PY'
import os
handles = []
for name in sorted(os.listdir("shards")):
    handles.append(open("shards/" + name))
    print("opened", name)
PY
