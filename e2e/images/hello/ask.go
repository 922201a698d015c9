package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// ask asks for a URL fifty times a second, each time over a connection of its own, as many clients
// would. It writes a line for each answer that it does not get, and for each hundred that it gets.
func ask(url string, dial dialer) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
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

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dialAny connects to the first that answers of the addresses that a name has now.
func dialAny(ctx context.Context, network, address string) (net.Conn, error) {
	addresses, err := lookUp(address)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, address := range addresses {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		connection, err := (&net.Dialer{}).DialContext(limited, network, address)
		if err == nil {
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// dialOne connects to one of the addresses that a name has now, to another each time.
func dialOne(ctx context.Context, network, address string) (net.Conn, error) {
	addresses, err := lookUp(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, addresses[rand.N(len(addresses))])
}

// lookUp returns the addresses that /etc/hosts has for a name now, as the C library looks names up; Go's own resolver
// caches the file for seconds.
func lookUp(address string) ([]string, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil || net.ParseIP(name) != nil {
		return []string{address}, err
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return nil, err
	}
	var addresses []string
	for line := range strings.Lines(string(hosts)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && slices.Contains(fields[1:], name) {
			addresses = append(addresses, net.JoinHostPort(fields[0], port))
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: no such name", name)
	}
	return addresses, nil
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
