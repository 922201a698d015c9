package main

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// handleHealth answers health checks. A test determines the answers by files.
func handleHealth() {
	http.HandleFunc("/ready", ready)
	http.HandleFunc("/alive", alive)
	http.HandleFunc("/served", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat("/tmp/unready"); err == nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/checks", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, checks.Load()) })
	http.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	})
}

var checks atomic.Int64

func alive(w http.ResponseWriter, _ *http.Request) {
	checks.Add(1)
	if _, err := os.Stat("/tmp/ill"); err == nil {
		http.Error(w, "ill", http.StatusInternalServerError)
	}
}

var started = time.Now()

func ready(w http.ResponseWriter, _ *http.Request) {
	if after, err := time.ParseDuration(os.Getenv("HELLO_READY_AFTER")); err == nil && time.Since(started) >= after {
		return
	}
	if _, err := os.Stat("/tmp/ready"); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
