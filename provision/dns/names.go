package dns

import (
	"encoding/json"
	"fmt"
)

// Zone is the domain of the cluster.
const Zone = "cluster.local."

// Names is everything a DNS server knows of a lab.
type Names struct {
	Namespaces []string `json:"namespaces"` // of Kubernetes, sorted

	// Records are in the form of a zone file, one a line, in the order in which
	// a server answers with them.
	Records []string `json:"records"`
}

// String writes n so that [Parse] can read it. Equal Names have equal texts.
func (n Names) String() string {
	text, err := json.MarshalIndent(n, "", " ")
	if err != nil { // strings cannot fail
		return ""
	}
	return string(text) + "\n"
}

// Parse reads what String wrote.
func Parse(text []byte) (Names, error) {
	var n Names
	if err := json.Unmarshal(text, &n); err != nil {
		return Names{}, fmt.Errorf("names of a lab: %w", err)
	}
	return n, nil
}
