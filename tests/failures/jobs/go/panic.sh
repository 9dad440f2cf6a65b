# about: a Go panic with goroutine traces
# category: code_error
# or: native_crash
# retryable: no after_change
# evidence: panic: runtime error: invalid memory address|panic: assignment to entry in nil map
# needs: go
# tool: go version
### job
cat > m.go <<'G'
package main
import "fmt"
type trial struct{ params map[string]float64 }
func (t *trial) set(k string, v float64) { t.params[k] = v }
func main() { fmt.Println("trial 0"); t := &trial{}; t.set("lr", 0.1) }
G
go run m.go
