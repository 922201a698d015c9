package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// scram is a client's side of SCRAM-SHA-256, RFC 5802 and RFC 7677, without channel
// binding. PostgreSQL takes the user from the session and ignores the name given here.
type scram struct {
	password string
	bare     string
}

func newSCRAM(password string) *scram {
	return &scram{password: password, bare: "n=,r=" + rand.Text()}
}

// first is the client's first message.
func (s *scram) first() string { return "n,," + s.bare }

// last answers the server's first message with the proof that the password is known.
func (s *scram) last(challenge string) (string, error) {
	attributes := map[string]string{}
	for _, attribute := range strings.Split(challenge, ",") {
		name, value, _ := strings.Cut(attribute, "=")
		attributes[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(attributes["s"])
	if err != nil {
		return "", fmt.Errorf("the server's salt: %w", err)
	}
	rounds, err := strconv.Atoi(attributes["i"])
	if err != nil {
		return "", fmt.Errorf("the server's iteration count: %w", err)
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	client := sum(salted, "Client Key")
	stored := sha256.Sum256(client)
	last := "c=" + base64.StdEncoding.EncodeToString([]byte("n,,")) + ",r=" + attributes["r"]
	signature := sum(stored[:], s.bare+","+challenge+","+last)
	proof := make([]byte, len(client))
	subtle.XORBytes(proof, client, signature)
	return last + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
