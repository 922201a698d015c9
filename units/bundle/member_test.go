package bundle

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMembersThatWereWrittenToTheirEnd(t *testing.T) {
	t.Parallel()
	want := Member{
		ID: "web", Hostname: "web", Networks: map[string]Endpoint{"app": {Names: []string{"web"}, Addresses: []string{"10.0.0.2"}}},
		Base: "127.0.0.1\tlocalhost\n", Unready: true,
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := DecodeMember("web", text)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%t, %s", ok, diff)
	}
	for name, test := range map[string]struct {
		id   string
		text []byte
	}{"half a file": {"web", text[:len(text)/2]}, "an empty file": {"web", nil}, "another container": {"db", text}} {
		if got, ok := DecodeMember(test.id, test.text); ok || got.ID != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
