package labs

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// SchemaID is the $id of the JSON Schema of the lab file.
const SchemaID = "urn:netlab:v1:lab-file"

// schemaDraft is the newest that the YAML language server, which is behind most
// editors, knows.
const schemaDraft = "http://json-schema.org/draft-07/schema#"

// patterns are the regular expressions of texts, by the names that tags use.
// They let everything pass that Load may accept.
var patterns = map[string]string{
	"lab":         label.String(),
	"label":       label.String(),
	"interface":   ifaceName.String(),
	"port":        portName.String(),
	"cidr":        `^[0-9A-Fa-f:.]+/[0-9]{1,3}$`,
	"ip":          `^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$`,
	"address":     `^[0-9A-Fa-f:.]+$`,
	"range":       `^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$`,
	"destination": `^(default|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$`,
	"clusterIP":   `^(None|[0-9A-Fa-f:.]+)$`,
	"peer":        `^[^:]+:[^:]+$`,
	"path":        `^/`,
	"targetPort":  `^([0-9]+|[a-z0-9]+(-[a-z0-9]+)*)$`,
	"sysctl":      `^net\.`,
}

// lengths are the greatest numbers of characters of texts, by the same names.
var lengths = map[string]int{"lab": maxLabName, "label": maxLabel, "interface": maxIface, "port": maxPortName}

// schema is a JSON Schema. The order of its fields is that of the output.
type schema struct {
	Schema      string   `json:"$schema,omitempty"`
	ID          string   `json:"$id,omitempty"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Type        any      `json:"type,omitempty"` // a name or a list of them
	Default     any      `json:"default,omitempty"`
	Examples    []any    `json:"examples,omitempty"`
	Enum        []any    `json:"enum,omitempty"`
	Minimum     *float64 `json:"minimum,omitempty"`
	Maximum     *float64 `json:"maximum,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	MaxLength   int      `json:"maxLength,omitempty"`
	MinItems    int      `json:"minItems,omitempty"`
	MinProps    int      `json:"minProperties,omitempty"`
	Items       *schema  `json:"items,omitempty"`
	Names       *schema  `json:"propertyNames,omitempty"`
	Properties  object   `json:"properties,omitempty"`
	Required    []string `json:"required,omitempty"`
	Additional  any      `json:"additionalProperties,omitempty"` // a schema or false
	AnyOf       []schema `json:"anyOf,omitempty"`
	OneOf       []schema `json:"oneOf,omitempty"`
}

// object is a map of schemas that keeps its order.
type object []property

type property struct {
	name   string
	schema *schema
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := encode(p.schema, "")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", p.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Schema returns the JSON Schema of the lab file, draft 7. It accepts every
// file that [Load] accepts, and refuses what can be seen without looking from
// one place of the file to another.
func Schema() []byte {
	s := schemaOf(Format())
	s.Type = "object"
	s.Schema, s.ID, s.Title = schemaDraft, SchemaID, "netlab lab file"
	s.Description = "A lab: nodes, pods, bridges, subnets and services that netlab makes of kernel objects. A name and nodes are enough."
	data, err := encode(s, "  ")
	if err != nil {
		panic(err) // the tags of the Spec are wrong; a test would have said so
	}
	return data
}

// schemaOf translates a key.
func schemaOf(k Key) *schema {
	s := scalarSchema(k, k.shape)
	switch k.shape {
	case aMap:
		s = mapSchema(k)
		s.Type = []string{"object", "null"}
	case aFreeMap:
		s = &schema{Type: []string{"object", "null"}, Additional: scalarSchema(k, k.element), MinProps: k.least}
		switch {
		case len(k.keyNames) > 0:
			s.Additional = false
			for _, name := range k.keyNames {
				port := scalarSchema(k, k.element)
				port.Description = name + ": " + k.Doc
				s.Properties = append(s.Properties, property{name, port})
			}
		case k.match != "":
			s.Names = &schema{Pattern: patterns[k.match]}
			s.Additional = scalarSchema(Key{}, k.element)
		}
	case aList:
		s = &schema{Type: []string{"array", "null"}, Items: elementSchema(k), MinItems: k.least}
	case several:
		one := scalarSchema(k, k.element)
		s = &schema{AnyOf: []schema{*one, {Type: "array", MinItems: 1, Items: one}}}
	}
	if k.least > 0 {
		s.Type = s.Type.([]string)[0]
	}
	s.Description = k.Doc
	if k.Default != "" && !k.literal {
		s.Description += "\n\nDefault: " + k.Default
	}
	if k.literal {
		s.Default = literal(k)
	}
	if k.Example != "" {
		s.Examples = []any{value(k.Example)}
	}
	for _, e := range k.Enum {
		s.Enum = append(s.Enum, e)
	}
	return s
}

func elementSchema(k Key) *schema {
	if k.element == aMap {
		s := mapSchema(k)
		s.Type = "object"
		return s
	}
	return scalarSchema(k, k.element)
}

// mapSchema translates a map with fixed keys.
func mapSchema(k Key) *schema {
	s := &schema{Additional: false}
	for _, sub := range k.Keys {
		s.Properties = append(s.Properties, property{sub.Name, schemaOf(sub)})
		if sub.Required {
			s.Required = append(s.Required, sub.Name)
		}
	}
	if one := choices[k.Path]; one != nil {
		for _, name := range one {
			s.OneOf = append(s.OneOf, schema{Required: []string{name}})
		}
	}
	return s
}

// choices are the maps that need exactly one of some keys.
var choices = map[string][]string{
	"pods.containers":                {"serve", "command"},
	"pods.containers.readinessProbe": {"tcp", "http", "tcpSocket", "httpGet"},
}

// scalarSchema translates a scalar of some shape with what k says about it. A
// text may look like a number.
func scalarSchema(k Key, sh shape) *schema {
	s := &schema{Pattern: patterns[k.match], MaxLength: lengths[k.match]}
	switch sh {
	case aNumber:
		s.Type = "integer"
	case aSeconds:
		s.Type = "number"
	case aTruth:
		s.Type = "boolean"
	case aLoose:
		s.Type = []string{"string", "number", "boolean"}
	default:
		s.Type = []string{"string", "number"}
		if len(k.Enum) > 0 {
			s.Type = "string"
		}
	}
	if k.ranged {
		s.Minimum, s.Maximum = &k.low, &k.high
	}
	return s
}

// literal returns the default of a key as JSON has it.
func literal(k Key) any {
	switch {
	case k.Default == "none" && (k.shape == aList || k.shape == several):
		return []any{}
	case k.Default == "none" && (k.shape == aMap || k.shape == aFreeMap):
		return map[string]any{}
	case k.shape == aText:
		return k.Default
	}
	return value(k.Default)
}

// value parses a value of the lab file that stands in a tag.
func value(text string) any {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		panic(fmt.Sprintf("tag %q: %v", text, err))
	}
	return v
}
