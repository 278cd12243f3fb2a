// The HTTP/3 server of quic-go as an upstream. `quic-go-peer CERT KEY` says `{"port":N}` in one line and ends when standard input closes.
//
//	any other        22 bytes of text
//	/bytes/N         N bytes of the pattern (pattern.ts); /chunked/N without Content-Length
//	/trailers/N      the same, then the trailer x-end: yes
//	/echo            the request's body as it arrives; /echo-late once it is whole
//	/sent-trailer    the request's trailer x-sum
//	/status/N        status N
//	/header          what came as x-sent; /authority: the authority that came
//	/retire/N        the text; with the Nth of a connection the server says GOAWAY on it
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const text = "hello from the testkit"

// The largest prime that fits in a byte, as in pattern.ts.
const period = 251

// How long what is open may take after a GOAWAY.
const grace = 30 * time.Second

// Each connection has a server of its own: quic-go says GOAWAY on all of a server's.
type connection struct {
	server   *http3.Server
	requests atomic.Int64
}

type connectionKey struct{}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: quic-go-peer CERT KEY"))
	}
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		fail(err)
	}
	settings := http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})
	listener, err := quic.ListenAddrEarly("127.0.0.1:0", settings, &quic.Config{Allow0RTT: true})
	if err != nil {
		fail(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.UDPAddr).Port)
	for {
		conn, err := listener.Accept(context.Background())
		if err != nil {
			fail(err)
		}
		go serve(conn)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serve(conn *quic.Conn) {
	this := &connection{}
	this.server = &http3.Server{
		Handler: http.HandlerFunc(answer),
		ConnContext: func(ctx context.Context, _ *quic.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, this)
		},
	}
	_ = this.server.ServeQUICConn(conn)
}

func (c *connection) goAway() {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = c.server.Shutdown(ctx)
}

func answer(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(r.URL.Path, "/", 3)
	argument := ""
	if len(parts) == 3 {
		argument = parts[2]
	}
	number, _ := strconv.Atoi(argument)
	switch parts[1] {
	case "bytes":
		w.Header().Set("Content-Length", argument)
		_, _ = w.Write(pattern(number))
	case "chunked":
		w.(http.Flusher).Flush()
		_, _ = w.Write(pattern(number))
	case "trailers":
		w.Header().Set("Trailer", "X-End")
		_, _ = w.Write(pattern(number))
		w.Header().Set("X-End", "yes")
	case "echo":
		w.(http.Flusher).Flush()
		copyFlushed(w, r.Body)
	case "echo-late":
		if body, err := io.ReadAll(r.Body); err == nil {
			_, _ = w.Write(body)
		}
	case "sent-trailer":
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
	case "status":
		w.WriteHeader(number)
	case "header":
		_, _ = io.WriteString(w, r.Header.Get("X-Sent"))
	case "authority":
		_, _ = io.WriteString(w, r.Host)
	case "retire":
		this := r.Context().Value(connectionKey{}).(*connection)
		if this.requests.Add(1) == int64(number) {
			go this.goAway()
		}
		_, _ = io.WriteString(w, text)
	default:
		_, _ = io.WriteString(w, text)
	}
}

func copyFlushed(w http.ResponseWriter, body io.Reader) {
	part := make([]byte, 16384)
	for {
		n, err := body.Read(part)
		if _, failed := w.Write(part[:n]); failed != nil || err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

func pattern(length int) []byte {
	bytes := make([]byte, length)
	for i := range bytes {
		bytes[i] = byte(i % period)
	}
	return bytes
}
