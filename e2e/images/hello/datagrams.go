package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// answerDatagrams answers each datagram to a port with the name of this machine, until the process ends.
func answerDatagrams(port string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	connection, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	go func() {
		for {
			_, from, err := connection.ReadFrom(make([]byte, 1))
			if err == nil {
				_, err = connection.WriteTo([]byte("hello from "+host+"\n"), from)
			}
			if err != nil {
				fmt.Println("datagrams:", err)
			}
		}
	}()
	return nil
}

// sendDatagram sends one from a port to an address, "PORT HOST:PORT", and prints the answer within a second.
func sendDatagram(path string) error {
	port, address, _ := strings.Cut(path, " ")
	from, err := net.ResolveUDPAddr("udp", ":"+port)
	if err != nil {
		return err
	}
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	connection, err := net.DialUDP("udp", from, to)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := connection.Write([]byte("?")); err != nil {
		return err
	}
	answer := make([]byte, 100)
	n, err := connection.Read(answer)
	if err != nil {
		return err
	}
	fmt.Print(string(answer[:n]))
	return nil
}
