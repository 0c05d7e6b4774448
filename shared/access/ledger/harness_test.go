package ledger_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
	"github.com/berthregistry/berth/shared/table/local"
)

// A clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newClock starts at the present second: the store removes by its own clock
// what expires, and must not be ahead.
func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

// A book is a ledger and what it stands on.
type book struct {
	*ledger.Ledger
	*clock
	store table.Store
}

// beside returns another ledger on the same table, as of another process.
func (b book) beside() *ledger.Ledger { return ledger.New(b.store, ledger.Options{Now: b.clock.now}) }

// newBook is a ledger on a store.
func newBook(store table.Store) book {
	c := newClock()
	return book{ledger.New(store, ledger.Options{Now: c.now}), c, store}
}

// onEach runs a test on the embedded table, and the same test on DynamoDB or
// what stands in for it: scripts/test starts it.
func onEach(t *testing.T, test func(t *testing.T, b book)) {
	t.Run("local", func(t *testing.T) { test(t, newBook(embedded(t))) })
	t.Run("dynamodb", func(t *testing.T) { test(t, newBook(onAWS(t))) })
}

func embedded(t testing.TB) table.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "table"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func onAWS(t testing.TB) table.Store {
	t.Helper()
	address := os.Getenv("BERTH_TEST_DYNAMODB")
	switch {
	case address != "":
	case os.Getenv("BERTH_TEST_REQUIRE") == "1":
		t.Fatal("BERTH_TEST_DYNAMODB is not set, and BERTH_TEST_REQUIRE=1 wants it")
	default:
		t.Skip("BERTH_TEST_DYNAMODB is not set: scripts/test starts the service and sets it")
	}
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &address,
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 10, // the engine is that of all tests, and may be busy
	})
	name := "berth-test-" + rand.Text()
	if err := dynamo.CreateTable(t.Context(), db, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// t.Context has ended by now.
		if _, err := db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Log(err)
		}
	})
	return dynamo.New(db, nil, name, slog.New(slog.DiscardHandler))
}

// everybody is a policy that lets everybody pull everything below a folder.
func everybody(folder string) *access.Policy {
	return &access.Policy{Rules: []access.Rule{{
		Name: "open " + folder, Whom: access.Whom{Names: []string{"anyone"}},
		Repositories: []string{folder + "/**"}, Actions: []access.Action{access.Pull},
	}}}
}

func (b book) setPolicy(t *testing.T, folder string) ledger.Document {
	t.Helper()
	d, err := b.SetPolicy(t.Context(), []byte("# "+folder), everybody(folder), "user:root", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (b book) create(t *testing.T, name string, expires time.Time) (ledger.Robot, string) {
	t.Helper()
	r, secret, err := b.Create(t.Context(), name, []string{"builders", "readers"}, expires)
	if err != nil {
		t.Fatal(err)
	}
	return r, secret
}

// opens says whether a ledger's State lets anonymous pull from a folder.
func opens(t *testing.T, l *ledger.Ledger, folder string) bool {
	t.Helper()
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Policy.Decide(access.Principal{Kind: access.Anonymous}, folder+"/app", access.Pull).Allowed()
}
