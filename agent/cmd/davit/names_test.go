package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesMeanContainers(t *testing.T) {
	t.Parallel()
	all := []ownUnit{
		{ID: "app", Object: "Container/app"},
		{ID: "pod-db", Object: "Pod/pod"}, {ID: "pod-pod", Object: "Pod/pod", Sandbox: true}, {ID: "pod-web", Object: "Pod/pod"},
		{ID: "single-main", Object: "Deployment/single"},
		{ID: "many@1", Object: "Deployment/many"}, {ID: "many@2", Object: "Deployment/many"},
		{ID: "both-a@1", Object: "Deployment/both"}, {ID: "both-a@2", Object: "Deployment/both"},
		{ID: "both-b@1", Object: "Deployment/both"}, {ID: "both-b@2", Object: "Deployment/both"},
		{ID: "both-pod@1", Object: "Deployment/both", Sandbox: true}, {ID: "both-pod@2", Object: "Deployment/both", Sandbox: true},
	}
	for name, want := range map[string][]string{
		"app":         {"app"},
		"app.service": {"app"},
		"pod-web":     {"pod-web"},
		"pod/web":     {"pod-web"},
		"pod":         {"pod-db", "pod-web"},
		"pod-pod":     {"pod-pod"},
		"pod/pod":     nil,
		"pod/nothing": nil,
		"single":      {"single-main"},
		"single/main": {"single-main"},
		"many":        {"many@1", "many@2"},
		"many@2":      {"many@2"},
		"many@3":      nil,
		"both@2":      {"both-a@2", "both-b@2"},
		"both@2/a":    {"both-a@2"},
		"both/b":      {"both-b@1", "both-b@2"},
		"":            nil,
		"@1":          nil,
	} {
		if diff := cmp.Diff(want, ids(matching(name, all))); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestPathsOfContainersAndOfTheNode(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string][2]string{
		"web:/etc":           {"web", "/etc"},
		"web@2:etc":          {"web@2", "etc"},
		"app/db:/a:b":        {"app/db", "/a:b"},
		"web.service:/etc":   {"web.service", "/etc"},
		"web:":               {"web", ""},
		"./web:/etc":         {"", "./web:/etc"},
		"/web:/etc":          {"", "/web:/etc"},
		"Web:/etc":           {"", "Web:/etc"},
		"one/two/three:/etc": {"", "one/two/three:/etc"},
		"-":                  {"", "-"},
		"notes.txt":          {"", "notes.txt"},
	} {
		name, path := splitPath(argument)
		if got := [2]string{name, path}; got != want {
			t.Errorf("%q: got %q, want %q", argument, got, want)
		}
	}
}

func TestLogsAreTheJournals(t *testing.T) {
	t.Parallel()
	f := logsFlags{follow: true, timestamps: true, lines: "5", since: "yesterday", until: "now"}
	got, err := f.journalctl("text")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"journalctl", "--output", "short-iso-precise", "--follow", "--lines", "5", "--since", "yesterday", "--until", "now"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := f.journalctl("yaml"); err == nil {
		t.Error("logs as YAML are taken")
	}
}
