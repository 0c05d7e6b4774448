package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
)

// hinder lets the faults strike that happen to the bodies of objects, on their
// way to S3 or back.
func (c *cloud) hinder(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &hinderedWriter{ResponseWriter: w, faults: c.faults, ctx: r.Context(), object: readsObject(r)}
		if writesObject(r) {
			h := newHindrance(r.Context(), c.faults, r.ContentLength, cutUpload, stallUpload, slowUpload)
			r.Body = &hinderedReader{r.Body, h, answer}
		}
		next.ServeHTTP(answer, r)
		if answer.cut.Load() {
			panic(http.ErrAbortHandler) // it has the server close the connection
		}
	})
}

// writesObject reports whether the body of a request is an object, or a part
// of one.
func writesObject(r *http.Request) bool {
	return r.Method == http.MethodPut && r.ContentLength > 0 && !r.URL.Query().Has("tagging")
}

// readsObject reports whether the answer to a request may be an object, or a
// range of one.
func readsObject(r *http.Request) bool {
	others := []string{"list-type", "tagging", "uploadId", "uploads"}
	return r.Method == http.MethodGet && !slices.ContainsFunc(others, r.URL.Query().Has)
}

// hinderedReader is the body of a request.
type hinderedReader struct {
	io.ReadCloser
	*hindrance
	answer *hinderedWriter
}

func (r *hinderedReader) Read(p []byte) (int, error) {
	n, err := r.allow(len(p))
	if err != nil {
		r.answer.cut.Store(true) // whatever the guard makes of this, nobody is told
		return 0, err
	}
	n, err = r.ReadCloser.Read(p[:n])
	r.passed += int64(n)
	return n, err
}

// hinderedWriter is an answer. Of one that is cut nothing more gets out.
type hinderedWriter struct {
	http.ResponseWriter
	faults *faults
	ctx    context.Context
	object bool
	body   *hindrance // nil: it is no object
	cut    atomic.Bool
}

func (w *hinderedWriter) WriteHeader(status int) {
	if w.cut.Load() {
		return
	}
	size, _ := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64) // else 0
	if w.object && size > 0 && (status == http.StatusOK || status == http.StatusPartialContent) {
		w.body = newHindrance(w.ctx, w.faults, size, cutDownload, stallDownload, slowDownload)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *hinderedWriter) Write(p []byte) (int, error) {
	if w.cut.Load() {
		return 0, errCut
	}
	if w.body == nil {
		return w.ResponseWriter.Write(p)
	}
	written := 0
	for written < len(p) {
		n, err := w.body.allow(len(p) - written)
		if err != nil {
			w.cut.Store(true)
			return written, err
		}
		n, err = w.ResponseWriter.Write(p[written : written+n])
		written, w.body.passed = written+n, w.body.passed+int64(n)
		if err == nil && w.body.strikes() {
			err = http.NewResponseController(w.ResponseWriter).Flush() // what has passed is to arrive
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Unwrap lets an http.ResponseController see what is beneath.
func (w *hinderedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
