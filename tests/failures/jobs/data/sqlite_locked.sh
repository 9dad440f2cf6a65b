# about: sqlite: the database is locked
# category: resource_limit
# or: unknown
# or: permission
# or: code_error
# or: configuration
# retryable: yes after_change
# evidence: sqlite3.OperationalError: database is locked
# tool: python3 --version
### job
python3 -u -c '
import sqlite3
a = sqlite3.connect("study.db", timeout=1); a.execute("create table t(x)"); a.commit(); a.execute("begin exclusive")
print("trial 12 finished with value: 0.81")
sqlite3.connect("study.db", timeout=1).execute("insert into t values (1)")'
