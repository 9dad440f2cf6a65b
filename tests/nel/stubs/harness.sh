#!/bin/sh
# Stands in for the evaluation inside its container: $1 is the folder that would be /results there.
# STUB_SECONDS: how long it works, by task; STUB_FIRST_SECONDS: the first time, where that differs. STUB_RC: its end.
seconds=${STUB_SECONDS:-1}
if [ -n "${STUB_FIRST_SECONDS:-}" ] && [ ! -e "$1/.again" ]; then seconds=$STUB_FIRST_SECONDS; fi
: >"$1/.again"
done_=0
while [ "$done_" -lt "$seconds" ]; do
  [ -d "$1" ] || exit 1 # the test is over
  done_=$((done_ + 1))
  echo "$done_" >"$1/progress"
  echo "request $done_ of $seconds"
  sleep 1
done
[ "${STUB_RC:-0}" = 0 ] || { echo "the evaluation failed" >&2; exit "$STUB_RC"; }
cat >"$1/results.yml" <<END
command: nemo-evaluator run_eval --run_config config_ef.yaml
config:
  output_dir: /results
  params:
    api_key: ${STUB_TOKEN:-}
git_hash: ''
results:
  groups: {}
  tasks:
    ${STUB_TASK:-ifeval}:
      metrics:
        accuracy:
          scores:
            accuracy:
              stats:
                stderr: 0.013
              value: ${STUB_SCORE:-0.423}
target:
  api_endpoint:
    api_key: ${STUB_TOKEN:-}
END
echo "the evaluation is done"
