package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestABodyThatStandsStillIsCut(t *testing.T) {
	read := make(chan error, 1)
	s := httptest.NewServer(paced(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}), 100*time.Millisecond))
	defer s.Close()
	conn := dial(t, s)
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("body: got %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// The server reads on after an answer, to keep the connection; that must end
// too.
func TestABodyThatNobodyReadsIsCut(t *testing.T) {
	s := httptest.NewServer(paced(http.NotFoundHandler(), 100*time.Millisecond))
	defer s.Close()
	conn := dial(t, s)
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// Slow is not still. And once the body is here, an answer may take its time.
func TestASlowBodyIsNotCut(t *testing.T) {
	const patience = 600 * time.Millisecond
	s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the body: %v", err)
		}
		time.Sleep(2 * patience)
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was given up: %v", err)
		}
		_, _ = w.Write(body)
	}), patience))
	defer s.Close()
	r, w := io.Pipe()
	go func() {
		for range 8 {
			_, _ = w.Write([]byte("x"))
			time.Sleep(patience / 6) // a busy machine may take several times as long
		}
		w.Close()
	}()
	resp, err := http.Post(s.URL, "", r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != "xxxxxxxx" {
		t.Errorf("got %q", got)
	}
}

func TestAnAnswerThatNobodyTakesIsCut(t *testing.T) {
	for name, copyTo := range map[string]func(io.Writer, *os.File) (int64, error){
		"as a file":  func(w io.Writer, f *os.File) (int64, error) { return io.Copy(w, io.LimitReader(f, 1<<30)) },
		"in writes":  func(w io.Writer, f *os.File) (int64, error) { return io.Copy(struct{ io.Writer }{w}, f) },
		"of unknown": func(w io.Writer, f *os.File) (int64, error) { return io.Copy(w, struct{ io.Reader }{f}) },
	} {
		t.Run(name, func(t *testing.T) {
			f := file(t, 64<<20)
			sent := make(chan error, 1)
			s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, err := copyTo(w, f)
				sent <- err
			}), 100*time.Millisecond))
			defer s.Close()
			conn := dial(t, s)
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := <-sent; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
			}
		})
	}
}

func TestAnAnswerArrivesWhole(t *testing.T) {
	f := file(t, 3*stride+5)
	s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, f)
	}), time.Minute))
	defer s.Close()
	resp, body := call(t, "GET", s.URL, "", nil)
	want(t, resp, body, http.StatusOK)
	original, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(body, original) {
		t.Errorf("%d bytes arrived, not the %d of the file", len(body), len(original))
	}
}

// The kernel copies a file to a socket by itself only if it is handed the file
// in no more than one io.LimitedReader.
func TestFilesAreHandedOnAsFiles(t *testing.T) {
	f := file(t, 2*stride+1)
	under := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	w := &pacedWriter{ResponseWriter: under, patience: time.Minute}
	if n, err := io.Copy(w, io.LimitReader(f, 2*stride+1)); n != 2*stride+1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if under.files != 3 {
		t.Errorf("%d of 3 strides came as files", under.files)
	}
}

type readerFrom struct {
	*httptest.ResponseRecorder
	files int
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	if l, ok := src.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			r.files++
		}
	}
	return io.Copy(struct{ io.Writer }{r.ResponseRecorder}, src)
}

func dial(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func file(t *testing.T, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString("not all zero"); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}
