package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// postgres is a connection that speaks just enough of PostgreSQL's protocol, version 3
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
type postgres struct {
	io.Writer
	reader *bufio.Reader
}

// countInPostgres adds a row to a table and returns how many there are.
func countInPostgres(ctx context.Context, address string) (string, error) {
	target, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	connection, err := dial(ctx, target.Host)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	p := &postgres{connection, bufio.NewReader(connection)}
	password, _ := target.User.Password()
	if err := p.login(target.User.Username(), password, strings.Trim(target.Path, "/")); err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	return p.query(`CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now());
		INSERT INTO visits DEFAULT VALUES; SELECT count(*) FROM visits`)
}

// query runs statements and returns the first column of the last row.
func (p *postgres) query(text string) (string, error) {
	if err := p.send('Q', []byte(text+"\x00")); err != nil {
		return "", err
	}
	var result string
	for {
		kind, body, err := p.receive()
		if err != nil {
			return "", err
		}
		switch kind {
		case 'D': // a row: the number of columns, then each with its length
			if len(body) < 6 {
				return "", errors.New("a row without columns")
			}
			result = string(body[6:][:binary.BigEndian.Uint32(body[2:])])
		case 'Z': // ready for the next query
			return result, nil
		}
	}
}

// login starts the session.
func (p *postgres) login(user, password, database string) error {
	const version3 = 3 << 16
	start := binary.BigEndian.AppendUint32(nil, version3)
	start = fmt.Appendf(start, "user\x00%s\x00database\x00%s\x00\x00", user, database)
	// The first message alone has no kind.
	length := binary.BigEndian.AppendUint32(nil, uint32(len(start)+4))
	if _, err := p.Write(append(length, start...)); err != nil {
		return err
	}
	var proof *scram
	for {
		kind, body, err := p.receive()
		if err != nil {
			return err
		}
		switch kind {
		case 'R': // authentication: a step's number, then its data
			if proof, err = p.authenticate(proof, password, body); err != nil {
				return err
			}
		case 'Z':
			return nil
		}
	}
}

// authenticate answers one step of SASL authentication.
func (p *postgres) authenticate(proof *scram, password string, body []byte) (*scram, error) {
	const ok, begin, proceed, final = 0, 10, 11, 12
	step, data := binary.BigEndian.Uint32(body), string(body[4:])
	switch {
	case step == ok || step == final:
		return proof, nil
	case step == begin:
		proof = newSCRAM(password)
		first := proof.first()
		message := append([]byte("SCRAM-SHA-256\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(first)))...)
		return proof, p.send('p', append(message, first...))
	case step == proceed && proof != nil:
		last, err := proof.last(data)
		if err != nil {
			return nil, err
		}
		return proof, p.send('p', []byte(last))
	default:
		return nil, fmt.Errorf("the server asks for authentication method %d", step)
	}
}

func (p *postgres) send(kind byte, body []byte) error {
	message := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	_, err := p.Write(append(message, body...))
	return err
}

// receive reads one message; one that reports an error becomes an error.
func (p *postgres) receive() (byte, []byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(p.reader, header[:]); err != nil {
		return 0, nil, err
	}
	const limit = 1 << 20
	size := binary.BigEndian.Uint32(header[1:])
	if size < 4 || size > limit {
		return 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(p.reader, body); err != nil {
		return 0, nil, err
	}
	if header[0] == 'E' {
		return 0, nil, errors.New(strings.Join(strings.Fields(string(bytes.ReplaceAll(body, []byte{0}, []byte(" ")))), " "))
	}
	return header[0], body, nil
}
