package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
)

// countInRedis adds one to a counter and returns it. The protocol is RESP
// (https://redis.io/docs/latest/develop/reference/protocol-spec/).
func countInRedis(ctx context.Context, address string) (string, error) {
	connection, err := dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if _, err := fmt.Fprint(connection, "INCR visits\r\n"); err != nil {
		return "", err
	}
	reply, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return "", err
	}
	count, ok := strings.CutPrefix(strings.TrimSpace(reply), ":")
	if !ok {
		return "", fmt.Errorf("INCR: %s", strings.TrimSpace(reply))
	}
	return count, nil
}

// dial connects to host:port; the context's deadline holds for all that follows.
func dial(ctx context.Context, address string) (net.Conn, error) {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			connection.Close()
			return nil, err
		}
	}
	return connection, nil
}
