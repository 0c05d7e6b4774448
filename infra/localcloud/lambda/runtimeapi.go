package lambda

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
)

// What the process in an environment may ask of the runtime API.
type kind int

const (
	callNext kind = iota
	callResponse
	callError
	callInitError
)

// A call is one request of the process, on its way to the environment, which
// answers all of them from one goroutine.
type call struct {
	kind  kind
	id    string // of the invocation
	body  []byte // nil if larger than MaxPayload
	large bool
	reply chan reply // has room for one
}

// A reply is what the process is answered.
type reply struct {
	status int
	header [][2]string
	body   []byte
}

// accepted and refused are the answers of the runtime API that carry no event.
var accepted = reply{status: http.StatusAccepted, body: []byte(`{"status":"OK"}`)}

func refused(status int, errorType, message string) reply {
	return reply{status: status, body: failure(errorType, message)}
}

// failure is the JSON in which Lambda and its runtimes describe an error.
func failure(errorType, message string) []byte {
	body, err := json.Marshal(map[string]string{"errorType": errorType, "errorMessage": message})
	if err != nil {
		panic(err) // two strings always marshal
	}
	return body
}

// serveAPI serves the runtime API of version 2018-06-01 to the process of one
// environment, on an address of its own: the process is told a host and a port,
// no path that could tell it from others.
func (e *environment) serveAPI() (*http.Server, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", e.handle(callNext))
	mux.HandleFunc("POST "+base+"invocation/{id}/response", e.handle(callResponse))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", e.handle(callError))
	mux.HandleFunc("POST "+base+"init/error", e.handle(callInitError))
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	return server, listener.Addr().String(), nil
}

// handle passes a request on to the environment and waits for its reply, which
// for callNext may take as long as the environment lives.
func (e *environment) handle(k kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{kind: k, id: r.PathValue("id"), reply: make(chan reply, 1)}
		var err error
		if c.body, c.large, err = read(r); err != nil {
			return // the process went away while it wrote
		}
		select {
		case e.calls <- c:
		case <-e.dead:
			return
		}
		select {
		case answer := <-c.reply:
			answer.write(w)
		case <-e.dead:
		}
	}
}

// read returns the body of r unless it is too large. Such a one is read to its
// end nevertheless: a client that is answered while it writes may miss the
// answer.
func read(r *http.Request) (body []byte, large bool, err error) {
	if r.Method == http.MethodGet {
		return nil, false, nil
	}
	body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxPayload))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		_, err = io.Copy(io.Discard, r.Body)
		return nil, true, err
	}
	return body, false, err
}

func (a reply) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for _, field := range a.header {
		h[field[0]] = []string{field[1]}
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // a process that is gone is noticed by its exit
}
