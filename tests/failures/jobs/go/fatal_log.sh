# about: log.Fatal of a refused connection
# category: network
# retryable: yes
# evidence: connect: connection refused
# needs: go
# tool: go version
### job
cat > m.go <<'G'
package main
import ("log"; "net/http")
func main() { log.Println("pushing metrics"); if _, err := http.Post("http://127.0.0.1:9091/metrics/job/a", "text/plain", nil); err != nil { log.Fatalf("push gateway: %v", err) } }
G
go run m.go
