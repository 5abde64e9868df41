package labs_test

import (
	"slices"
	"testing"

	"netlab/labs"
)

const readinessLab = `
name: r
nodes: [{name: n}]
pods:
  - {name: a, node: n, labels: {app: x}, containers: [{name: c, serve: {http: 80}}]}
  - {name: b, node: n, labels: {app: x}, containers: [{name: c, serve: {http: 80}, readinessProbe: {http: 80}}]}
  - {name: bare, node: n, labels: {app: x}}
  - {name: not, node: n, labels: {app: x}, ready: false, containers: [{name: c, serve: {http: 80}}]}
services:
  - {name: x, selector: {app: x}, ports: [{port: 80}]}
  - {name: written, endpoints: [{ip: 10.244.1.2, port: 80}], ports: [{port: 80}]}
`

func endpointPods(l *labs.Lab) []string {
	var pods []string
	for _, e := range l.Service("default", "x").Ports[0].Endpoints {
		pods = append(pods, e.Pod)
	}
	slices.Sort(pods)
	return pods
}

func TestWithReadiness(t *testing.T) {
	lab, diagnostics := labs.Load("r.yaml", []byte(readinessLab))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	all := []string{"default/a", "default/b", "default/bare"}
	for _, tt := range []struct {
		name  string
		ready func(string) bool
		want  []string
	}{
		{"all", func(string) bool { return true }, all},
		{"none", func(string) bool { return false }, []string{"default/bare"}},
		{"one", func(id string) bool { return id == "default/b" }, []string{"default/b", "default/bare"}},
		{"as the file lets expect", lab.Predicted, []string{"default/a", "default/bare"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := lab.WithReadiness(tt.ready)
			if got := endpointPods(is); !slices.Equal(got, tt.want) {
				t.Errorf("endpoints %v, want %v", got, tt.want)
			}
			if got := is.Pod("default", "a").Ready; got != tt.ready("default/a") {
				t.Errorf("pod a is ready: %v", got)
			}
			if is.Pod("default", "not").Ready {
				t.Error("a pod became ready that the file says is not")
			}
			if n := len(is.Service("default", "written").Ports[0].Endpoints); n != 1 {
				t.Errorf("%d written endpoints", n)
			}
			if got := endpointPods(lab); !slices.Equal(got, all) {
				t.Errorf("the lab itself changed: %v", got)
			}
		})
	}
}

func TestWithoutContainers(t *testing.T) {
	lab, _ := labs.Load("r.yaml", []byte(readinessLab))
	for _, p := range lab.WithoutContainers().Pods {
		if len(p.Containers) > 0 {
			t.Errorf("pod %s has containers", p.Name)
		}
	}
	if len(lab.Pod("default", "a").Containers) != 1 {
		t.Error("the lab itself changed")
	}
}
