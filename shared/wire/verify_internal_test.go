package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

const upload = "0123456789abcdef0123456789abcdef"

// verifierOf is one whose store is empty.
func verifierOf(items table.Store, log *slog.Logger) func(context.Context, Verification) error {
	return verifier(registry.New(items, blobstest.NewMemory(blobstest.MemoryOptions{}), registry.Options{}), log)
}

// The function takes what the invoker sends.
func TestVerificationIsTheEvent(t *testing.T) {
	var v Verification
	if err := json.Unmarshal([]byte(`{"repo":"team/app","id":"`+upload+`"}`), &v); err != nil || v.Repository != "team/app" || v.Upload != upload {
		t.Errorf("got %+v, %v", v, err)
	}
}

// An event about an upload that is over, as a second one is, is no failure: it
// would only come again.
func TestVerifierOfWhatIsOver(t *testing.T) {
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { items.Close() })
	var out bytes.Buffer
	verify := verifierOf(items, NewLog(&out, slog.LevelInfo))
	for _, id := range []string{upload, "", "../" + upload} {
		if err := verify(invocation(t.Context(), "one"), Verification{"team/app", id}); err != nil {
			t.Errorf("upload %q: %v", id, err)
		}
	}
	line := lines(t, &out)[0]
	if line["msg"] != "verification" || line["repository"] != "team/app" || line["upload"] != upload || line["lambda_request_id"] != "one" {
		t.Errorf("got the line %v", line)
	}
}

// broken is a table that does not answer.
type broken struct{ table.Store }

func (broken) Get(context.Context, table.Key) (table.Item, error) {
	return table.Item{}, errors.New("no table today")
}

// What may pass is a failure that Lambda is told of, so that the event comes
// again; and a line of the log, which Lambda's runtime writes, says which upload.
func TestVerifierFails(t *testing.T) {
	verify := verifierOf(broken{}, slog.New(slog.DiscardHandler))
	err := verify(t.Context(), Verification{"team/app", upload})
	if err == nil || !strings.Contains(err.Error(), "verify upload "+upload+" to team/app: ") || !strings.Contains(err.Error(), "no table today") {
		t.Errorf("got %v", err)
	}
}
