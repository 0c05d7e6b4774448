package blobstest

import (
	"context"
	"io"
	"net/http"
	"testing/iotest"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// A Kind names a method of a store.
type Kind string

// The methods of blobs.Store, blobs.Locator and blobs.Direct.
const (
	Open     Kind = "open"
	Put      Kind = "put"
	Append   Kind = "append"
	Complete Kind = "complete"
	Abort    Kind = "abort"
	Delete   Kind = "delete"

	ReadURL  Kind = "read url"
	WriteURL Kind = "write url"

	BeginParts Kind = "begin parts"
	PartURL    Kind = "part url"
	MarkedURL  Kind = "marked url"
	Parts      Kind = "parts"
	Join       Kind = "join"
	Stat       Kind = "stat"
	Sum        Kind = "sum"
	ReadAt     Kind = "read at"
	Keep       Kind = "keep"
)

// A Call is one call of a store, as a hook sees it.
type Call struct {
	Kind   Kind
	Key    string
	Offset int64 // of a ReadAt
}

// A Fault is what happens to a call. The zero Fault lets it proceed.
type Fault struct {
	err     error
	happens bool
	held    int64 // bytes of an Append that are stored before it fails
}

// Proceed lets the call through.
func Proceed() Fault { return Fault{} }

// FailBefore has the call fail with nothing done.
func FailBefore(err error) Fault { return Fault{err: err} }

// FailAfter carries the call out and loses the answer: the caller sees err,
// and of an Append the state that it came with.
func FailAfter(err error) Fault { return Fault{err: err, happens: true} }

// CutAppend stores the first n bytes of an Append and then fails: the caller
// sees err beside the state that holds them. Other calls fail before.
func CutAppend(n int64, err error) Fault { return Fault{err: err, held: n} }

// Faulty returns a store whose calls meet the faults that hook decides on. The
// hook may be called from several goroutines at once. The result is a Locator,
// or a Direct, if store is one.
func Faulty(store blobs.Store, hook func(Call) Fault) blobs.Store {
	f := &faulty{store: store, hook: hook}
	switch s := store.(type) {
	case blobs.Direct:
		return &faultyDirect{faultyLocator: &faultyLocator{faulty: f, locator: s}, direct: s}
	case blobs.Locator:
		return &faultyLocator{faulty: f, locator: s}
	}
	return f
}

type faulty struct {
	store blobs.Store
	hook  func(Call) Fault
}

type faultyLocator struct {
	*faulty
	locator blobs.Locator
}

var (
	_ blobs.Store   = (*faulty)(nil)
	_ blobs.Locator = (*faultyLocator)(nil)
)

func (f *faulty) do(kind Kind, key string, call func() error) error {
	return f.meet(Call{Kind: kind, Key: key}, call)
}

// meet carries the call out as far as its fault allows.
func (f *faulty) meet(c Call, call func() error) error {
	fault := f.hook(c)
	if fault.err == nil {
		return call()
	}
	if fault.happens {
		// The answer is lost, whatever it was.
		_ = call()
	}
	return fault.err
}

func (f *faulty) Open(ctx context.Context, key string, size int64) (r io.ReadSeekCloser, err error) {
	err = f.do(Open, key, func() (err error) {
		r, err = f.store.Open(ctx, key, size)
		return err
	})
	if err != nil && r != nil {
		r.Close()
		r = nil
	}
	return r, err
}

func (f *faulty) Put(ctx context.Context, key string, body []byte) error {
	return f.do(Put, key, func() error { return f.store.Put(ctx, key, body) })
}

func (f *faulty) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	fault := f.hook(Call{Kind: Append, Key: u.Key})
	switch {
	case fault.err == nil:
		return f.store.Append(ctx, u, r)
	case fault.happens:
		// The future that this makes is the one that nobody keeps to.
		_, _ = f.store.Append(ctx, u, r)
		return u, fault.err
	case fault.held > 0:
		cut := io.MultiReader(io.LimitReader(r, fault.held), iotest.ErrReader(fault.err))
		return f.store.Append(ctx, u, cut)
	}
	return u, fault.err
}

func (f *faulty) Complete(ctx context.Context, u blobs.Upload) error {
	return f.do(Complete, u.Key, func() error { return f.store.Complete(ctx, u) })
}

func (f *faulty) Abort(ctx context.Context, u blobs.Upload) error {
	return f.do(Abort, u.Key, func() error { return f.store.Abort(ctx, u) })
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	return f.do(Delete, key, func() error { return f.store.Delete(ctx, key) })
}

func (f *faultyLocator) ReadURL(ctx context.Context, key, method string, valid time.Duration) (url string, err error) {
	err = f.do(ReadURL, key, func() (err error) {
		url, err = f.locator.ReadURL(ctx, key, method, valid)
		return err
	})
	return url, err
}

func (f *faultyLocator) WriteURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (url string, header http.Header, err error) {
	err = f.do(WriteURL, key, func() (err error) {
		url, header, err = f.locator.WriteURL(ctx, key, size, sha256, valid)
		return err
	})
	return url, header, err
}
