package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/davit-project/davit/e2e/arbitrary"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile/resolve"
)

var drawSeed = flag.Uint64("draw-seed", 1, "which workloads the scenarios' command draw draws")

// runDraw writes files of manifests, each with a workload that davit validate takes, into a directory of the scenario.
func runDraw(_ context.Context, s scene, args []string) error {
	if len(args) != 2 {
		return usage("draw N DIRECTORY")
	}
	wanted, err := strconv.Atoi(args[0])
	if err != nil {
		return usage(err.Error())
	}
	dir := s.ts.MkAbs(args[1])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	drawn := 0
	for seed := *drawSeed; drawn < wanted; seed++ {
		name := fmt.Sprintf("w%d", drawn)
		text := []byte(arbitrary.Runnable(seed, name, RegistryAddress+"/busybox:1"))
		set := manifests.Load([]manifests.File{{Path: name + ".yaml", Text: text}}, manifests.Options{Rehearse: resolve.Rehearse})
		if !set.Complete() {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), text, 0o600); err != nil {
			return err
		}
		drawn++
	}
	return nil
}
