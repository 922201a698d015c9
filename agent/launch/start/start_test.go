package start

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

func TestStartOutsideItsUnitIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := bundle.Bundle{Spec: &specs.Spec{Process: &specs.Process{}}, Launch: bundle.Launch{ID: "web"}}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Container(context.Background(), dir); err == nil {
		t.Error("a container was started outside its unit")
	}
}
