package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/davit-project/davit/units/bundle"
)

// grpc asks the health service of gRPC
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). It is one call over HTTP/2
// without TLS, with messages of a few bytes: too little to link a gRPC library for.
func (t Target) grpc(ctx context.Context, check bundle.GRPCCheck) error {
	err := t.askHealth(ctx, check)
	if err == nil {
		return nil
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return described(bundle.Check{GRPC: &check}, t.Address, err)
}

func (t Target) askHealth(ctx context.Context, check bundle.GRPCCheck) error {
	where := "http://" + address("", check.Port, t.Address) + "/grpc.health.v1.Health/Check"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(healthRequest(check.Service)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	request.Header.Set("User-Agent", userAgent)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: t.Dial, Protocols: protocols}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New("status " + answer.Status)
	}
	message, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return err
	}
	return readHealth(answer, message)
}

// readHealth reads the answer: a gRPC status in the trailers, or in the headers where there is no
// message, and a HealthCheckResponse, whose field 1 is the serving status.
func readHealth(answer *http.Response, message []byte) error {
	status, reason := answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if status == "" {
		status, reason = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	switch {
	case status == "12":
		return errors.New("the server has no health service (grpc.health.v1)")
	case status != "0":
		return fmt.Errorf("gRPC status %q: %s", status, reason)
	}
	serving, err := servingStatus(message)
	if err != nil {
		return err
	}
	if serving != servingStatusServing {
		return fmt.Errorf("health status %s", servingName(serving))
	}
	return nil
}

// The serving status of grpc.health.v1.
const servingStatusServing = 1

func servingName(status uint64) string {
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status]
	}
	return fmt.Sprint(status)
}

// frameHead is the head of each message: a byte that is 0 for one that is not compressed,
// and its length.
const frameHead = 5

// healthRequest is a HealthCheckRequest, whose field 1 is the service's name, in its frame.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		const field1Bytes = 1<<3 | 2
		message = append(message, field1Bytes)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := make([]byte, frameHead, frameHead+len(message))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(message)))
	return append(frame, message...)
}

// servingStatus reads the framed HealthCheckResponse. Without the field the status is 0.
func servingStatus(frame []byte) (uint64, error) {
	if len(frame) < frameHead || frame[0] != 0 || binary.BigEndian.Uint32(frame[1:]) != uint32(len(frame)-frameHead) {
		return 0, errors.New("the answer is not a message of gRPC")
	}
	message := frame[frameHead:]
	if len(message) == 0 {
		return 0, nil
	}
	const field1Varint = 1 << 3
	status, n := binary.Uvarint(message[1:])
	if message[0] != field1Varint || n <= 0 {
		return 0, errors.New("the answer is not a HealthCheckResponse")
	}
	return status, nil
}
