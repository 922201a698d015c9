package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

// serveMore serves on the further ports that the environment names, until the process ends.
func serveMore() error {
	if port := os.Getenv("HELLO_TLS_PORT"); port != "" {
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		if err := serve(port, &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}); err != nil {
			return err
		}
	}
	if port := os.Getenv("HELLO_DATAGRAMS"); port != "" {
		if err := answerDatagrams(port); err != nil {
			return err
		}
	}
	if port := os.Getenv("HELLO_GRPC_PORT"); port != "" {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /grpc.health.v1.Health/Check", health)
		return serve(port, &http.Server{Handler: mux, Protocols: protocols})
	}
	return nil
}

func serve(port string, server *http.Server) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	if server.TLSConfig != nil {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	server.ReadHeaderTimeout = 5 * time.Second
	go server.Serve(listener)
	return nil
}

// selfSigned is a certificate without trust, for no name.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	text, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}, err
}

// health is the one call of grpc.health.v1: SERVING, or NOT_SERVING while there is a file
// /tmp/ill. Which service is asked for does not matter.
func health(w http.ResponseWriter, r *http.Request) {
	// A server that leaves the request unread resets the stream.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	status := byte(1)
	if _, err := os.Stat("/tmp/ill"); err == nil {
		status = 2
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, status})
	w.Header().Set("Grpc-Status", "0")
}
