package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// ask asks for a URL fifty times a second, each time over a connection of its own, as many clients
// would. It writes a line for each answer that it does not get, and for each hundred that it gets.
func ask(url string) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialAny}}
	turns := time.Tick(time.Second / 50)
	for asked := 1; ; asked++ {
		<-turns
		if err := get(&client, url); err != nil {
			fmt.Println("failed:", err)
		}
		if asked%100 == 0 {
			fmt.Println("asked", asked)
		}
	}
}

// dialAny connects to one of the addresses that /etc/hosts has for a name now, as the C library looks
// names up; Go's own resolver remembers what it read for seconds.
func dialAny(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return nil, err
	}
	failures := []error{fmt.Errorf("look up %s", name)}
	for line := range strings.Lines(string(hosts)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains(fields[1:], name) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		connection, err := (&net.Dialer{}).DialContext(limited, network, net.JoinHostPort(fields[0], port))
		if err == nil {
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}
