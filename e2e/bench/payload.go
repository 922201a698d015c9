package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/e2e/debian"
)

//go:embed payload/payload.c
var payloadSource []byte

// payloadName is the name of the workload's program, by which its processes are found.
const payloadName = "payload"

// compilePayload compiles the workload, static, below a directory and returns its path.
func compilePayload(ctx context.Context, directory string) (string, error) {
	source, program := filepath.Join(directory, payloadName+".c"), filepath.Join(directory, payloadName)
	if err := os.WriteFile(source, payloadSource, 0o644); err != nil {
		return "", err
	}
	if err := debian.Run(ctx, "gcc", "-Os", "-static", "-s", "-o", program, source); err != nil {
		return "", fmt.Errorf("compile the workload: %w", err)
	}
	return program, nil
}
