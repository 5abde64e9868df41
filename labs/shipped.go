package labs

import (
	"embed"
	"strings"
)

// shipped holds the lab files that come with netlab.
//
//go:embed *.yaml
var shipped embed.FS

// Shipped lists the names of the labs that come with netlab, sorted.
func Shipped() []string {
	entries, err := shipped.ReadDir(".")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// ShippedFile returns the file of a lab that comes with netlab.
func ShippedFile(name string) (data []byte, ok bool) {
	data, err := shipped.ReadFile(name + ".yaml")
	return data, err == nil
}
