// The server of Go's net/http as an upstream: HTTP/2 and HTTP/1.1 over TLS. `go-peer CERT KEY` says `{"port":N}` in one line and ends
// when standard input closes. Only the standard library, and nothing newer than Go 1.19.
//
//	any other        22 bytes of text
//	/bytes/N         N bytes of the pattern (pattern.ts); /chunked/N without Content-Length
//	/trailers/N      the same, then the trailer x-end: yes
//	/echo            the request's body as it arrives; /echo-late once it is whole
//	/sent-trailer    the request's trailer x-sum
//	/status/N        status N
//	/header          what came as x-sent; /authority: the authority that came
//	/retire/N        the text; the Nth on a connection says farewell
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

const text = "hello from the testkit"

// The largest prime that fits in a byte, as in pattern.ts.
const period = 251

type countKey struct{}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: go-peer CERT KEY"))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, countKey{}, new(int64))
		},
	}
	fail(server.ServeTLS(listener, os.Args[1], os.Args[2]))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
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
		if atomic.AddInt64(r.Context().Value(countKey{}).(*int64), 1) == int64(number) {
			// On HTTP/2 the server takes this field for its own and sends GOAWAY.
			w.Header().Set("Connection", "close")
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
