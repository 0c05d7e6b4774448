package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Bounds of what is read of a stream, in bytes. An event has 200 KiB at most.
const (
	maxEventLine = 1 << 20
	maxMark      = 64
)

// errLongLine is about a stream that is none of a registry's.
var errLongLine = errors.New("a line of the stream of events is too long")

// readEventStream reads server-sent events (HTML Living Standard, section 9.2.6)
// and calls take with each: the id that it has, or else "", and its data, which
// is empty where only an id is told. It returns nil at the end of the stream; what
// is cut off there is dropped.
func readEventStream(r io.Reader, take func(id string, data []byte) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var id string
	var data []byte
	for {
		line, err := readLine(lines)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(line) == 0:
			if id != "" || len(data) > 0 {
				if err := take(id, data); err != nil {
					return err
				}
			}
			id, data = "", nil
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			if len(value) <= maxMark && !bytes.ContainsRune(value, 0) {
				id = string(value)
			}
		case "data":
			if len(data)+len(value) > maxEventLine {
				return errLongLine
			}
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		}
	}
}

// readLine returns a line without its end. A last one that has no end counts as
// cut off.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxEventLine {
			return nil, errLongLine
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
	}
}
