package registry_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// A diary keeps the keys that exist after all that was committed through it.
type diary struct {
	table.Store
	mu   sync.Mutex
	keys map[table.Key]bool
}

func (d *diary) Transact(ctx context.Context, tx table.Tx) error {
	err := d.Store.Transact(ctx, tx)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, a := range tx.Actions {
			switch a.Op {
			case table.OpPut, table.OpUpdate:
				d.keys[a.Key] = true
			case table.OpDelete:
				delete(d.keys, a.Key)
			}
		}
	}
	return err
}

// TestKeysOfAPush lists every key that a push leaves behind, and that deleting
// it all leaves nothing but the repository's name and the finished uploads.
func TestKeysOfAPush(t *testing.T) {
	tab, obj := stores(t)
	book := &diary{Store: tab, keys: map[table.Key]bool{}}
	tm := newTeamOn(t, book, obj, registry.Options{})

	config, layer := tm.blob(100), tm.blob(20<<10)
	img := tm.mustPut("1.0", image(config, []oci.Descriptor{layer}, nil), "latest")
	idx := tm.mustPut("", index([]oci.Descriptor{img}, nil))
	sig := tm.mustPut("", referrer(config, img, "application/vnd.sig#1", 1))

	names := strings.NewReplacer(string(config.Digest), "CONFIG", string(layer.Digest), "LAYER",
		string(img.Digest), "IMAGE", string(idx.Digest), "INDEX", string(sig.Digest), "SIG",
		string(oci.SHA256.Sum([]byte("application/vnd.sig#1")))[7:], "TYPE")
	check := func(want ...string) {
		t.Helper()
		var got []string
		for k := range book.keys {
			if strings.HasPrefix(k.Partition, "object#blobs/") {
				k.Partition = "object#..."
			}
			if !strings.HasPrefix(k.Sort, "upload#") {
				got = append(got, names.Replace(k.Partition+" "+k.Sort))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got keys\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	check(
		"digest#CONFIG repo#team/app",
		"digest#LAYER repo#team/app",
		"object#... object",
		"repo#team/app blob#CONFIG",
		"repo#team/app blob#LAYER",
		"repo#team/app manifest#IMAGE",
		"repo#team/app manifest#INDEX",
		"repo#team/app manifest#SIG",
		"repo#team/app parent#CONFIG#IMAGE",
		"repo#team/app parent#CONFIG#SIG",
		"repo#team/app parent#IMAGE#1.0",
		"repo#team/app parent#IMAGE#INDEX",
		"repo#team/app parent#IMAGE#latest",
		"repo#team/app parent#LAYER#IMAGE",
		"repo#team/app referrer#IMAGE#%TYPE#SIG",
		"repo#team/app tag#1.0",
		"repo#team/app tag#latest",
		"repos repo#team/app",
	)
	for _, d := range []oci.Digest{img.Digest, sig.Digest, idx.Digest} {
		if err := tm.reg.DeleteManifest(t.Context(), tm.repo, d, registry.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []oci.Digest{config.Digest, layer.Digest} {
		if err := tm.reg.DeleteBlob(t.Context(), tm.repo, d); err != nil {
			t.Fatal(err)
		}
	}
	check("repos repo#team/app")
}

// TestKeysOfALimitedPush lists what a push leaves behind beyond that where it
// counts who has sent something.
func TestKeysOfALimitedPush(t *testing.T) {
	tab, obj := stores(t)
	book := &diary{Store: tab, keys: map[table.Key]bool{}}
	tm := newTeamOn(t, book, obj, registry.Options{})
	dev := only("dev")
	tm.reg = tm.reg.For(registry.Rights{Pull: dev, Push: dev, Tag: dev, Who: "alice"})
	config := tm.blob(100)
	img := tm.mustPut("dev", image(config, nil, nil))
	const alice = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90" // by sha256sum
	for _, what := range []string{"blob#" + string(config.Digest), "manifest#" + string(img.Digest)} {
		item, err := tab.Get(t.Context(), table.Key{Partition: "repo#team/app", Sort: "sent#" + what + "#" + alice})
		if in := time.Until(item.Expires); err != nil || in < 23*time.Hour || in > 24*time.Hour {
			t.Errorf("%s: %v, expires in %v", what, err, in)
		}
	}
	n := 0
	for key := range book.keys {
		if strings.HasPrefix(key.Sort, "sent#") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d notes of what was sent, want 2", n)
	}
}

// TestKeysOfADirectPush lists what a blob leaves behind that was sent by direct
// transfer, by somebody who counts: what another leaves, and the upload that is done.
func TestKeysOfADirectPush(t *testing.T) {
	book := &diary{Store: newMemTable(), keys: map[table.Key]bool{}}
	q := newTinyQuay(t, registry.Options{})
	q.reg = registry.New(book, q.store, registry.Options{}).Tiny().For(limited("alice"))
	id := q.push(crate).ID
	d := string(oci.SHA256.Sum(crate))
	object := q.store.Keys()[0]
	if !regexp.MustCompile(`^blobs/([0-9a-f]{2})/[0-9a-f-]{34}([0-9a-f]{2})-[0-9a-f]{16}$`).MatchString(object) {
		t.Errorf("the object is %q", object)
	}
	want := []string{
		"digest#" + d + " repo#team/app",
		"object#" + object + " object",
		"repo#team/app blob#" + d,
		"repo#team/app direct#" + id,
		"repo#team/app sent#blob#" + d + "#2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90",
		"repos repo#team/app",
	}
	var got []string
	for k := range book.keys {
		got = append(got, k.Partition+" "+k.Sort)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got keys\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
