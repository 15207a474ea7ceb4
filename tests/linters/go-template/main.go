// Executes a template of Go's text/template, as interLink's virtual kubelet does with that of its tunnels.
// Reads {"template": TEXT, "data": {...}} and writes the result.
package main

import (
	"encoding/json"
	"log"
	"os"
	"text/template"
)

func main() {
	var input struct {
		Template string
		Data     tunnel
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		log.Fatal(err)
	}
	parsed, err := template.New("wstunnel").Parse(input.Template)
	if err != nil {
		log.Fatal(err)
	}
	if err := parsed.Execute(os.Stdout, input.Data); err != nil {
		log.Fatal(err)
	}
}

// Fields of WstunnelTemplateData in pkg/virtualkubelet/virtualkubelet.go that the templates may read.
type tunnel struct {
	Name           string
	Namespace      string
	RandomPassword string
	WildcardDNS    string
	PodLabels      map[string]string
	PodAnnotations map[string]string
}
