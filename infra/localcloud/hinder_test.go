package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// serveObject answers a GET with an object, and tells how many bytes of each
// PUT came.
func serveObject(t *testing.T, cl *cloud, object []byte) (url string, sent <-chan int64) {
	t.Helper()
	got := make(chan int64, 1)
	server := httptest.NewServer(cl.hinder(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, err := io.Copy(io.Discard, r.Body)
			got <- n
			if err != nil {
				http.Error(w, "the body was cut", http.StatusBadRequest)
			}
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(object)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(object)
	})))
	t.Cleanup(server.Close)
	return server.URL, got
}

// transfer sends or fetches an object, and returns the bytes that came back.
func transfer(t *testing.T, method, url string, body []byte) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// A connection is cut at the byte that was said, and the next one is not.
func TestCut(t *testing.T) {
	const at = 300_001
	cl, object := &cloud{config: config{faults: newFaults()}}, noise(1<<20)
	url, sent := serveObject(t, cl, object)
	parameters := fmt.Sprintf("count=1&at=%d", at)

	cl.inject(t, cutUpload, parameters)
	if answer, err := transfer(t, "PUT", url+"/b/k", object); err == nil {
		t.Errorf("a PUT that was cut is answered %q", answer)
	}
	if n := <-sent; n != at {
		t.Errorf("%d bytes got through, want %d", n, at)
	}
	_, err := transfer(t, "PUT", url+"/b/k", object)
	if n := <-sent; err != nil || n != int64(len(object)) {
		t.Errorf("the next PUT: %v, %d bytes", err, n)
	}

	cl.inject(t, cutDownload, parameters)
	got, err := transfer(t, "GET", url+"/b/k", nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, object[:at]) {
		t.Errorf("a GET that was cut brought %d bytes and %v, want %d", len(got), err, at)
	}
	if got, err := transfer(t, "GET", url+"/b/k", nil); err != nil || !bytes.Equal(got, object) {
		t.Errorf("the next GET: %v, %d bytes", err, len(got))
	}
}

// Without a place the cut is anywhere, but never behind the end.
func TestCutAnywhere(t *testing.T) {
	cl, object := &cloud{config: config{faults: newFaults()}}, noise(1000)
	url, sent := serveObject(t, cl, object)
	cl.inject(t, cutUpload, "")
	cl.inject(t, cutDownload, "")
	places := map[int64]bool{}
	for range 20 {
		answer, err := transfer(t, "PUT", url+"/b/k", object)
		n := <-sent
		if err == nil || n >= int64(len(object)) {
			t.Fatalf("got %q, %v after %d bytes", answer, err, n)
		}
		got, err := transfer(t, "GET", url+"/b/k", nil)
		if err == nil || len(got) >= len(object) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		places[n], places[int64(len(got))] = true, true
	}
	if len(places) < 10 {
		t.Errorf("40 cuts were at %v", places)
	}
}

// What is not the body of an object, or is too short, is no occasion.
func TestCutSparesOthers(t *testing.T) {
	cl := &cloud{config: config{faults: newFaults()}}
	url, sent := serveObject(t, cl, noise(1000))
	cl.inject(t, cutUpload, "at=1000")
	cl.inject(t, cutDownload, "at=1000")
	for _, line := range [][2]string{{"PUT", "/b/k"}, {"GET", "/b/k"}, {"GET", "/b?list-type=2"}, {"PUT", "/b/k?tagging"}, {"DELETE", "/b/k"}} {
		if _, err := transfer(t, line[0], url+line[1], noise(1000)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if line[0] == "PUT" {
			<-sent
		}
	}
	if up, down := cl.struck(cutUpload), cl.struck(cutDownload); up+down != 0 {
		t.Errorf("struck %d and %d times", up, down)
	}
}

// A stall holds a body up for as long as was said, and a slow one takes its
// time. All arrives in the end.
func TestStallAndSlow(t *testing.T) {
	const object = 200_000
	for fault, parameters := range map[string]string{
		stallUpload: "at=1000&delay=300ms", stallDownload: "at=1000&delay=300ms",
		slowUpload: "speed=500000", slowDownload: "speed=500000",
	} {
		cl, body := &cloud{config: config{faults: newFaults()}}, noise(object)
		url, sent := serveObject(t, cl, body)
		cl.inject(t, fault, parameters)
		began := time.Now()
		_, put := transfer(t, "PUT", url+"/b/k", body)
		got, get := transfer(t, "GET", url+"/b/k", nil)
		if n := <-sent; put != nil || get != nil || n != object || !bytes.Equal(got, body) {
			t.Errorf("%s: %v, %v, %d bytes sent and %d fetched", fault, put, get, n, len(got))
		}
		if took := time.Since(began); took < 300*time.Millisecond || cl.struck(fault) != 1 {
			t.Errorf("%s: took %v and struck %d times", fault, took, cl.struck(fault))
		}
	}
}
