// judge reads the state of a node and compares it with the one before a fault. It knows from the
// documents alone where davit keeps things and uses none of its code, so that it does not share its
// mistakes.
//
//	judge           print the state of the node, as JSON, for a test to compare
//	judge before    keep the state
//	judge after [-changed UNIT,…] [-restarted UNIT,…] [-secret FILE] [-within DURATION]
//	                fail unless the node, within that time, is as it was kept, and davit has
//	                nothing left to do; units may be named that were to change, or to restart, or all
//	judge during …  the same while the fault lasts: there may be something left to do
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// kept is where the node before is kept, over reboots.
const kept = "/var/tmp/judge.json"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		found, err := look()
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	switch args[0] {
	case "before":
		return before()
	case "during":
		return after(args[1:], func() error { return nil })
	case "after":
		return after(args[1:], idle)
	}
	return fmt.Errorf("%s: want before, during or after", args[0])
}

func before() error {
	found, err := look()
	if err != nil {
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return os.WriteFile(kept, text, 0o600)
}

// after looks until nothing is wrong any more: systemd and the agent take a moment to put things right.
func after(args []string, idle func() error) error {
	var e expected
	flags := flag.NewFlagSet("after", flag.ContinueOnError)
	within := flags.Duration("within", 30*time.Second, "")
	secret := flags.String("secret", "", "")
	flags.Func("changed", "", units(&e.changed))
	flags.Func("restarted", "", units(&e.restarted))
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errors.Join(err, fmt.Errorf("unexpected %q", flags.Args()))
	}
	text, err := os.ReadFile(kept)
	if err != nil {
		return err
	}
	var was node
	if err := json.Unmarshal(text, &was); err != nil {
		return err
	}
	const pause = 200 * time.Millisecond
	for deadline := time.Now().Add(*within * patience()); ; time.Sleep(pause) {
		is, err := look()
		if err != nil {
			return err
		}
		err = errors.Join(e.compare(&was, is), idle())
		if err == nil || time.Now().After(deadline) {
			return errors.Join(err, tells(*secret))
		}
	}
}

// patience is how many times longer things may take than on an idle machine: the scenarios measure it.
func patience() time.Duration {
	times, err := strconv.Atoi(os.Getenv("PATIENCE"))
	if err != nil {
		return 1
	}
	return time.Duration(max(1, times))
}

// units collects units named without their suffix; "all" is every one.
func units(into *map[string]bool) func(string) error {
	return func(list string) error {
		*into = map[string]bool{}
		for name := range strings.SplitSeq(list, ",") {
			(*into)[name+".service"] = true
		}
		return nil
	}
}
