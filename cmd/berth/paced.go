package main

import (
	"io"
	"net/http"
	"time"
)

// patience is how long a body may stand still before its connection is cut.
const patience = time.Minute

// stride is how many bytes of an answer are sent under one deadline: little
// enough for a slow line (17 KiB/s), much enough to cost nothing.
const stride = 1 << 20

// paced returns next with a limit to how long a body may stand still, in
// either direction. A whole request may last as long as it makes progress.
func paced(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			b := &pacedBody{ReadCloser: r.Body, control: http.NewResponseController(w), patience: patience}
			b.allow() // also for a handler that answers without reading
			r.Body = b
		}
		if r.Method == http.MethodGet {
			w = &pacedWriter{ResponseWriter: w, patience: patience}
		}
		next.ServeHTTP(w, r)
	})
}

// A pacedBody gives each read some time.
type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	patience time.Duration
}

// allow gives the next read its time. A connection without deadlines, as in
// tests, has none to set.
func (b *pacedBody) allow() { _ = b.control.SetReadDeadline(time.Now().Add(b.patience)) }

func (b *pacedBody) Read(p []byte) (int, error) {
	b.allow()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		// From here on the server reads ahead to see whether the client hangs
		// up. That a client says nothing while its upload is made durable is
		// no reason to think so.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// A pacedWriter gives each stride some time. What fits the buffers of the
// connection cannot stand still and is not timed.
type pacedWriter struct {
	http.ResponseWriter
	patience time.Duration
}

var _ io.ReaderFrom = (*pacedWriter)(nil)

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pacedWriter) allow() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience))
}

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
	if len(p) >= 16<<10 {
		w.allow()
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom. A file still goes to the socket without a
// copy through this process: for that the kernel's way must be handed the file
// in one io.LimitedReader, not in two.
func (w *pacedWriter) ReadFrom(src io.Reader) (sent int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: src, N: 1<<63 - 1}
	}
	for limited.N > 0 {
		part := io.LimitedReader{R: limited.R, N: min(limited.N, stride)}
		w.allow()
		n, err := io.Copy(w.ResponseWriter, &part)
		sent += n
		limited.N -= n
		if err != nil || part.N > 0 {
			return sent, err
		}
	}
	return sent, nil
}
