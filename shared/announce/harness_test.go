package announce_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
	tablelocal "github.com/berthregistry/berth/shared/table/local"
)

const (
	schemaURL = "https://github.com/berthregistry/berth/blob/main/events/schema/"
	schemas   = "../../events/schema"
	samples   = "../../events/sample"
)

// kinds are the types of events that there are.
var kinds = []string{
	"referrer.attached", "referrer.detached", "manifest.pushed", "manifest.deleted",
	"tag.created", "tag.moved", "tag.deleted", "repository.created",
}

// envelope is the schema of events, which has that of their data in it.
var envelope = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	files, err := filepath.Glob(filepath.Join(schemas, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(schemaURL+filepath.Base(file), doc); err != nil {
			return nil, err
		}
	}
	return c.Compile(schemaURL + "event.v1.json")
})

// valid holds an event as JSON to its schema.
func valid(raw []byte) error {
	schema, err := envelope()
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

func mustJSON(t testing.TB, e announce.Event) []byte {
	t.Helper()
	raw, err := e.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func localTable(t testing.TB) *tablelocal.Store {
	t.Helper()
	tab, err := tablelocal.Open(filepath.Join(t.TempDir(), "table"), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	return tab
}

func write(t testing.TB, tab table.Store, actions ...table.Action) {
	t.Helper()
	if err := tab.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: actions}); err != nil {
		t.Fatal(err)
	}
}

// errLost is the error of a publisher that has taken everything.
var errLost = errors.New("the answer is lost")

// A tape is a publisher that keeps what it gets, and fails as it is told.
type tape struct {
	events []announce.Event
	sizes  []int // of each call
	fail   func(events []announce.Event) error
}

func (p *tape) Publish(_ context.Context, events []announce.Event) error {
	p.sizes = append(p.sizes, len(events))
	var err error
	if p.fail != nil {
		err = p.fail(events)
	}
	var some *announce.Unpublished
	if err != nil && !errors.As(err, &some) && !errors.Is(err, errLost) {
		return err
	}
	for i, e := range events {
		if some == nil || !has(some.Failed, i) {
			p.events = append(p.events, e)
		}
	}
	return err
}

func has(failed []int, i int) bool {
	for _, f := range failed {
		if f == i {
			return true
		}
	}
	return false
}

// A recording keeps the changes of a table from its start on.
type recording struct {
	mu      sync.Mutex
	changes []table.Change
	cancel  context.CancelFunc
	ended   chan error
}

// The keys of items that are no registry's, by which a recording knows where it is.
var (
	beginKey = table.Key{Partition: "test", Sort: "begin"}
	endKey   = table.Key{Partition: "test", Sort: "end"}
)

// record starts a recording, and returns when it runs.
func record(t testing.TB, tab *tablelocal.Store) *recording {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recording{cancel: cancel, ended: make(chan error, 1)}
	started := make(chan struct{})
	var once sync.Once
	go func() {
		r.ended <- tab.Changes(ctx, "recording", func(_ context.Context, run []table.Change) error {
			once.Do(func() { close(started) })
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, c := range run {
				if c.Key == endKey {
					return io.EOF
				}
				r.changes = append(r.changes, c)
			}
			return nil
		})
	}()
	for {
		write(t, tab, table.Put(beginKey))
		select {
		case <-started:
			return r
		case err := <-r.ended:
			t.Fatal(err)
		default:
		}
	}
}

// stop ends the recording behind all that was written before.
func (r *recording) stop(t testing.TB, tab *tablelocal.Store) []table.Change {
	t.Helper()
	write(t, tab, table.Put(endKey))
	if err := <-r.ended; !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	r.cancel()
	return r.changes
}
