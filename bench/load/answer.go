package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
)

// answers reads HTTP/1.1 answers one after the other and drops their bodies.
type answers struct {
	r        *bufio.Reader
	conn     net.Conn // beneath r
	sink     []byte   // where bodies go
	bodiless bool     // as are all answers to HEAD
}

var errHead = errors.New("malformed answer")

// next returns the status of an answer and the length of its body, which is
// read to its end.
func (a *answers) next() (status int, size int64, err error) {
	line, err := a.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, 0, errHead
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, errHead
	}
	size, chunked, err := a.header()
	switch {
	case err != nil || a.bodiless:
		return status, 0, err
	case chunked:
		size, err = a.dropChunks()
	case size < 0:
		err = fmt.Errorf("%w: no length", errHead)
	default:
		err = a.drop(size)
	}
	return status, size, err
}

// header reads to the empty line. The size is -1 if none is given.
func (a *answers) header() (size int64, chunked bool, err error) {
	for size = -1; ; {
		line, err := a.r.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return size, chunked, nil
		}
		if value, ok := cutName(line, "content-length:"); ok {
			if size, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return 0, false, errHead
			}
		} else if _, ok := cutName(line, "transfer-encoding:"); ok {
			chunked = true
		}
	}
}

// cutName returns the value of a header line of this name, in lower case with
// the colon.
func cutName(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || line[0]|0x20 != name[0] || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

// drop passes over what is in the buffer, and has the rest dropped beneath it.
func (a *answers) drop(size int64) error {
	n, err := a.r.Discard(int(min(size, int64(a.r.Buffered()))))
	if err != nil || int64(n) == size {
		return err
	}
	return drop(a.conn, a.sink, size-int64(n))
}

// dropCopy is drop for systems and connections that cannot do without a copy.
func dropCopy(conn net.Conn, sink []byte, size int64) error {
	for size > 0 {
		n, err := conn.Read(sink[:min(size, int64(len(sink)))])
		if size -= int64(n); err != nil {
			return err
		}
	}
	return nil
}

func (a *answers) dropChunks() (int64, error) {
	size, err := io.Copy(io.Discard, httputil.NewChunkedReader(a.r))
	if err != nil {
		return size, err
	}
	// Behind the last chunk: trailers, of which no registry sends any.
	line, err := a.r.ReadSlice('\n')
	if err == nil && len(bytes.TrimRight(line, "\r\n")) > 0 {
		err = fmt.Errorf("%w: trailers", errHead)
	}
	return size, err
}
