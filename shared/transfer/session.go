package transfer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// A session is an upload through a registry (spec, "Pushing a blob in chunks").
type session struct {
	at         *url.URL
	offset     int64 // how many bytes are there
	chunk      int64 // how many go into one request; 0 for all
	least      int64 // how many must
	foreseeing bool  // offset is what we think, and not what was said
}

// beginSession begins an upload.
func (r *Repository) beginSession(ctx context.Context) (s session, err error) {
	at := r.at("blobs/uploads/")
	err = r.engine.again(ctx, "begin an upload", func() error {
		resp, err := r.do(ctx, call{method: http.MethodPost, url: at}, http.StatusAccepted)
		if err != nil {
			return err
		}
		discard(resp)
		s, err = readSession(resp, at)
		return err
	})
	return s, err
}

// giveUp ends an upload, of either kind, that nobody will go on with.
func (r *Repository) giveUp(ctx context.Context, at *url.URL) error {
	return r.engine.again(ctx, "give up an upload", func() error {
		resp, err := r.do(ctx, call{method: http.MethodDelete, url: at}, http.StatusNoContent, http.StatusOK, http.StatusAccepted, http.StatusNotFound)
		if err != nil {
			return fmt.Errorf("give up an upload: %w", err)
		}
		discard(resp)
		return nil
	})
}

// readSession reads where an upload is that has begun, and how it takes bytes
// (spec, and pull request 486 of it).
func readSession(resp *http.Response, asked *url.URL) (session, error) {
	at, err := follow(resp, asked)
	return session{at: at, chunk: header(resp, "OCI-Chunk-Max-Length"), least: header(resp, "OCI-Chunk-Min-Length")}, err
}

// header reads a header that is a number of bytes, 0 if there is none.
func header(resp *http.Response, name string) int64 {
	n, err := parsePosition(resp.Header.Get(name))
	if err != nil {
		return 0
	}
	return n
}
