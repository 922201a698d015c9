package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// hung stops the watchdog's messages.
var hung atomic.Bool

// tellSystemd says that the program is up, when systemd asked for that, and goes on to say that it is
// alive. /notify?state=… says something else, /barrier waits until systemd has heard all, /hang
// lets the program look dead, /flood says how it is thousands of times, and /linger sends a socket in the place of a barrier's pipe
// whose last close takes half a minute.
func tellSystemd() error {
	http.HandleFunc("/notify", func(w http.ResponseWriter, r *http.Request) { answer(w, notify(r.FormValue("state"))) })
	http.HandleFunc("/barrier", func(w http.ResponseWriter, _ *http.Request) { answer(w, barrier()) })
	http.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { hung.Store(true) })
	http.HandleFunc("/flood", func(w http.ResponseWriter, _ *http.Request) { answer(w, flood()) })
	http.HandleFunc("/linger", func(w http.ResponseWriter, _ *http.Request) { answer(w, sendLingering()) })
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	after, err := time.ParseDuration(os.Getenv("HELLO_READY_AFTER"))
	if err != nil {
		return err
	}
	time.AfterFunc(after, func() {
		if err := notify(fmt.Sprintf("READY=1\nSTATUS=up as process %d\n", os.Getpid())); err != nil {
			fmt.Println("notify:", err)
		}
	})
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		interval, err := time.ParseDuration(os.Getenv("WATCHDOG_USEC") + "us")
		if err != nil {
			return nil
		}
		go func() {
			for range time.Tick(interval / 4) {
				if !hung.Load() {
					notify("WATCHDOG=1")
				}
			}
		}()
	}
	return nil
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func notify(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}

// barrier is sd_notify_barrier(3).
func barrier() error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	systemd := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	err = unix.Sendmsg(socket, []byte("BARRIER=1"), unix.UnixRights(int(writer.Fd())), systemd, 0)
	if err := errors.Join(err, writer.Close()); err != nil {
		return err
	}
	if err := reader.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := reader.Read(make([]byte, 1)); os.IsTimeout(err) {
		return errors.New("systemd did not answer")
	}
	return nil
}

func flood() error {
	for i := range 3000 {
		if err := notify(fmt.Sprintf("STATUS=%d", i)); err != nil {
			return err
		}
	}
	return notify("STATUS=the last one")
}

// unread are the other ends of such connections, from which nothing is ever read.
var unread []net.Conn

// sendLingering gives away a connection with more to send than its other end takes (SO_LINGER of socket(7)).
func sendLingering() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	other, err := listener.Accept()
	if err != nil {
		return err
	}
	unread = append(unread, other)
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	for err == nil {
		_, err = conn.Write(make([]byte, 1<<20))
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	if err := unix.SetsockoptLinger(int(file.Fd()), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 30}); err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	err = unix.Sendmsg(socket, []byte("BARRIER=1"), unix.UnixRights(int(file.Fd())), &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}, 0)
	go func() { // whoever closes it last waits
		conn.Close()
		file.Close()
	}()
	return errors.Join(err, unix.Close(socket))
}
