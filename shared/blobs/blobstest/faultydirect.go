package blobstest

import (
	"context"
	"net/http"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

type faultyDirect struct {
	*faultyLocator
	direct blobs.Direct
}

var (
	_ blobs.Store  = (*faultyDirect)(nil)
	_ blobs.Direct = (*faultyDirect)(nil)
)

func (f *faultyDirect) BeginParts(ctx context.Context, key string) (id string, err error) {
	err = f.do(BeginParts, key, func() (err error) {
		id, err = f.direct.BeginParts(ctx, key)
		return err
	})
	return forget(id, err)
}

func (f *faultyDirect) PartURL(ctx context.Context, key, id string, p blobs.Part, valid time.Duration) (url string, header http.Header, err error) {
	err = f.do(PartURL, key, func() (err error) {
		url, header, err = f.direct.PartURL(ctx, key, id, p, valid)
		return err
	})
	return url, header, err
}

func (f *faultyDirect) MarkedURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (url string, header http.Header, err error) {
	err = f.do(MarkedURL, key, func() (err error) {
		url, header, err = f.direct.MarkedURL(ctx, key, size, sha256, valid)
		return err
	})
	return url, header, err
}

func (f *faultyDirect) Parts(ctx context.Context, key, id string, after int) (parts []blobs.Part, more bool, err error) {
	err = f.do(Parts, key, func() (err error) {
		parts, more, err = f.direct.Parts(ctx, key, id, after)
		return err
	})
	parts, err = forget(parts, err)
	return parts, more && err == nil, err
}

func (f *faultyDirect) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	return f.do(Join, key, func() error { return f.direct.Join(ctx, key, id, parts) })
}

func (f *faultyDirect) Stat(ctx context.Context, key string) (size int64, sha256 []byte, err error) {
	err = f.do(Stat, key, func() (err error) {
		size, sha256, err = f.direct.Stat(ctx, key)
		return err
	})
	sha256, err = forget(sha256, err)
	return size, sha256, err
}

func (f *faultyDirect) Sum(ctx context.Context, key string, size int64) (sha256 []byte, err error) {
	err = f.do(Sum, key, func() (err error) {
		sha256, err = f.direct.Sum(ctx, key, size)
		return err
	})
	return forget(sha256, err)
}

func (f *faultyDirect) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	return f.meet(Call{ReadAt, key, offset}, func() error { return f.direct.ReadAt(ctx, key, p, offset) })
}

func (f *faultyDirect) Keep(ctx context.Context, key string) error {
	return f.do(Keep, key, func() error { return f.direct.Keep(ctx, key) })
}

// forget returns nothing beside an error: an answer that is lost is lost.
func forget[T any](answer T, err error) (T, error) {
	if err != nil {
		answer = *new(T)
	}
	return answer, err
}
