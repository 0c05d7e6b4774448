package dynamo_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// A lossyWire hands requests on to an engine and loses the answers to the
// first writes: they happened, and nobody is told.
type lossyWire struct {
	engine string
	mu     sync.Mutex
	lose   int // answers yet to lose
	writes int // TransactWriteItems that reached the engine
}

func (l *lossyWire) wire(r request) answer {
	out, err := http.NewRequestWithContext(r.http.Context(), r.http.Method, l.engine, bytes.NewReader(r.body))
	if err != nil {
		return answer{err: err}
	}
	out.Header = r.http.Header.Clone()
	response, err := http.DefaultClient.Do(out)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if r.op == "TransactWriteItems" {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.writes++; l.lose > 0 {
			l.lose--
			return answer{err: io.ErrUnexpectedEOF}
		}
	}
	return answer{status: response.StatusCode, body: string(body), err: err}
}

// newLossy returns a store on an engine, whose requests go through l.
func newLossy(t *testing.T, l *lossyWire, retryer aws.Retryer) *dynamo.Store {
	t.Helper()
	l.engine = engine(t)
	return newWiredTo(newTable(t, newClient(l.engine)), l.wire, retryer, slog.New(slog.DiscardHandler))
}

// A transaction happens, its answer is lost, the caller sends it again: it is
// not done twice, although its condition holds no longer.
func TestLostAnswer(t *testing.T) {
	lossy := &lossyWire{lose: 1}
	store := newLossy(t, lossy, aws.NopRetryer{})
	tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Put(keyA, table.S("digest", "sha256:1")).When(table.Absent()),
		table.Update(keyB).Adding("count", 1),
	}}
	err := store.Transact(t.Context(), tx)
	if _, failed := errors.AsType[*table.ConditionError](err); err == nil || failed || errors.Is(err, table.ErrConflict) || errors.Is(err, table.ErrLimit) {
		t.Errorf("lost answer: got %v, want an error that does not tell what happened", err)
	}
	for range 2 {
		if err := store.Transact(t.Context(), tx); err != nil {
			t.Errorf("sent again: got %v", err)
		}
	}
	if lossy.writes != 3 {
		t.Errorf("got %d writes at the engine, want 3", lossy.writes)
	}
	wantOnce(t, store, tx.Token)
}

// The SDK sends a request again by itself when the connection breaks; the
// caller sees nothing of it.
func TestLostAnswerBehindTheSDK(t *testing.T) {
	lossy := &lossyWire{lose: 2}
	store := newLossy(t, lossy, impatient())
	tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Put(keyA).When(table.Absent()),
		table.Update(keyB).Adding("count", 1),
	}}
	if err := store.Transact(t.Context(), tx); err != nil {
		t.Errorf("Transact: %v", err)
	}
	if lossy.writes != 3 {
		t.Errorf("got %d writes at the engine, want 3", lossy.writes)
	}
	wantOnce(t, store, tx.Token)
}

func wantOnce(t *testing.T, store *dynamo.Store, token string) {
	t.Helper()
	counted, err := store.Get(t.Context(), keyB)
	if err != nil {
		t.Fatal(err)
	}
	if counted.Num("count") != 1 || counted.Version != token {
		t.Errorf("got count %d of version %q, want 1 of %q", counted.Num("count"), counted.Version, token)
	}
}
