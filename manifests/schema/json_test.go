package schema

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what is generated in docs")

func TestThePublishedSchemaIsFresh(t *testing.T) {
	t.Parallel()
	const file = "../../docs/davit.schema.json"
	if *update {
		if err := os.WriteFile(file, JSON(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, JSON()) {
		t.Errorf("%s is stale: run go test ./manifests/schema -update", file)
	}
}
