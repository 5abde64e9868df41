package labs

import "testing"

func TestShippedLabs(t *testing.T) {
	names := Shipped()
	if len(names) == 0 {
		t.Fatal("no labs")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			data, ok := ShippedFile(name)
			if !ok {
				t.Fatal("not found")
			}
			lab, diags := Load("labs/"+name+".yaml", data)
			if len(diags) > 0 {
				t.Fatalf("diagnostics:\n%v", diags)
			}
			if lab.Name != name {
				t.Errorf("the lab in %s.yaml is called %q", name, lab.Name)
			}
		})
	}
}
