# about: pydantic refuses a configuration
# category: configuration
# retryable: after_change
# evidence: ValidationError: 2 validation errors for RunConfig
# evidence: Input should be greater than 0
# needs: venv
# tool: venv pydantic
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
from pydantic import BaseModel, Field
class RunConfig(BaseModel):
    lr: float = Field(gt=0)
    precision: str = Field(pattern="^(bf16|fp32)$")
print("validating config/run.yaml")
RunConfig(lr=-1, precision="fp8")
PY
python -u t.py
