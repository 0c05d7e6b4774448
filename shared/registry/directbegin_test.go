package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// TestBeginDirect: what is to be done about blobs and manifests, in their order.
func TestBeginDirect(t *testing.T) {
	q := newQuay(t, registry.Options{})
	here, elsewhere, condemned := payload(100), payload(100), payload(100)
	s := &stage{newCast(), t, q.reg}
	s.do(putBlob(home, here), putBlob(other, elsewhere), putBlob(home, condemned))
	img := image(describe(blobType, here), nil, nil)
	s.do(push(img, "1"), push(referrer(describe(blobType, here), describe(oci.MediaTypeImage, s.plain), "sig", 1)))
	condemn(t, q.table, home, condemned)
	begun, err := q.reg.BeginDirect(t.Context(), home, direct.Begin{
		Blobs: []direct.Wanted{
			wanted(payload(100)), wanted(here), wanted(elsewhere), {Size: -1}, wanted(condemned), {Size: 0}, {Size: 5 * mib},
			{Digest: oci.SHA512.Sum(nil), Size: 5 * mib}, {Digest: oci.SHA256.Sum([]byte("vast")), Size: direct.MaxSize}, wanted(here),
			{Digest: wanted(payload(100)).Digest, Size: 4 * mib}, {Digest: wanted(payload(100)).Digest, Size: 4*mib + 1},
		},
		Manifests: []oci.Digest{oci.SHA256.Sum(s.plain), oci.SHA256.Sum(img), oci.SHA256.Sum(here)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []direct.State{
		direct.Small, direct.Present, direct.Mounted, direct.Upload, direct.Small, direct.Small, direct.Upload,
		direct.Upload, direct.Upload, direct.Present, direct.Small, direct.Upload,
	}
	for i, b := range begun.Blobs {
		if b.State != want[i] || (b.Upload != nil) != (b.State == direct.Upload) {
			t.Errorf("blob %d: got %q, upload %v, want %q", i, b.State, b.Upload, want[i])
		}
	}
	for i, m := range begun.Manifests { // what only has referrers is not here, nor is a blob a manifest
		if m.Present != (i == 1) {
			t.Errorf("manifest %d: got present %v", i, m.Present)
		}
	}
	if up := begun.Blobs[8].Upload; up.PartSize != 525*mib || up.Parts != 9987 {
		t.Errorf("5 TiB: got %d parts of %d bytes", up.Parts, up.PartSize)
	}
	q.serves(wanted(elsewhere).Digest, elsewhere)
	if len(marshal(begun)) > direct.MaxBody {
		t.Errorf("the answer has %d bytes", len(marshal(begun)))
	}
}

// TestPartSize: parts are never more than there can be, nor too small or large.
func TestPartSize(t *testing.T) {
	for size, want := range map[int64]int64{
		-1: 16 * mib, 0: 16 * mib, 16*mib + 1: 16 * mib, 50e9: 16 * mib, 160_000 * mib: 16 * mib, 160_000*mib + 1: 17 * mib,
		1 << 40: 105 * mib, direct.MaxSize: 525 * mib,
	} {
		got := registry.PartSize(size)
		if parts := (size + got - 1) / got; got != want || parts > direct.MaxNumber {
			t.Errorf("%d bytes: got %d parts of %d bytes, want of %d", size, parts, got, want)
		}
	}
}

// TestBeginDirectRefuses: what cannot be begun.
func TestBeginDirectRefuses(t *testing.T) {
	q := newQuay(t, registry.Options{})
	d := oci.SHA256.Sum(nil)
	for _, test := range []struct {
		w    direct.Wanted
		want error
	}{
		{direct.Wanted{Digest: d, Size: -1}, oci.ErrSizeInvalid},
		{direct.Wanted{Digest: d, Size: direct.MaxSize + 1}, oci.ErrTooLarge},
		{direct.Wanted{Size: direct.MaxSize + 1}, oci.ErrTooLarge},
	} {
		if _, err := q.reg.BeginDirect(t.Context(), q.repo, direct.Begin{Blobs: []direct.Wanted{test.w}}); !errors.Is(err, test.want) {
			t.Errorf("%+v: got %v, want %v", test.w, err, test.want)
		}
	}
	if _, err := newTeam(t, registry.Options{}).reg.BeginDirect(t.Context(), home, direct.Begin{}); !errors.Is(err, oci.ErrUnsupported) {
		t.Errorf("a store that takes none: %v, want UNSUPPORTED", err)
	}
	if !q.reg.TakesDirect() || newTeam(t, registry.Options{}).reg.TakesDirect() {
		t.Error("which store takes direct uploads is not told")
	}
}

// TestDirectResume: who begins again goes on with what was sent, wherever they are.
func TestDirectResume(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	first := q.upload(wanted(crate))
	if err := q.sendOne(first.ID, 2, crate[20:40]); err != nil {
		t.Fatal(err)
	}
	s := q.upload(wanted(crate))
	if s.ID != first.ID || s.Next != 0 || !slices.Equal(s.Received, []direct.Part{partOf(2, crate[20:40])}) {
		t.Errorf("got %+v, want part 2 of %s", s, first.ID)
	}
	if now, err := q.status(s.ID, 0); err != nil || !slices.Equal(now.Received, s.Received) {
		t.Errorf("status %+v, %v, want the same", now, err)
	}
	if now, err := q.status(s.ID, 2); err != nil || now.Received != nil {
		t.Errorf("status after 2: %+v, %v, want none", now, err)
	}
	q.push(crate)
	q.leaves(1)
}

// TestDirectResumeLate: who goes on with an upload that is nearly over has the time
// to find what is missing, and to send it where they were told.
func TestDirectResumeLate(t *testing.T) {
	for _, body := range [][]byte{parcel, crate} {
		c := newClock()
		q := newTinyQuay(t, registry.Options{Now: c.now})
		first := q.upload(wanted(body))
		c.pass(48*time.Hour - time.Minute)
		s := q.upload(wanted(body))
		c.pass(30 * time.Minute)
		if err := q.sendParts(s, body, 20); err != nil || s.ID != first.ID {
			t.Errorf("send to %s: %v, want it to go to %s", s.ID, err, first.ID)
		}
		if s, err := q.complete(s.ID, s.Digest, len(body)); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v, want it done", s, err)
		}
	}
}

// TestDirectPages: parts are listed in pages, in the answer to who begins as well.
func TestDirectPages(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	s := q.upload(stream)
	for n := range 2500 {
		if err := q.sendOne(s.ID, n+1, crate[:10]); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []struct{ after, first, last, next int }{{0, 1, 1000, 1000}, {1000, 1001, 2000, 2000}, {2000, 2001, 2500, 0}} {
		now, err := q.status(s.ID, page.after)
		if err != nil || now.Received[0].Number != page.first || now.Received[len(now.Received)-1].Number != page.last || now.Next != page.next {
			t.Errorf("after %d: got %d parts, next %d, %v", page.after, len(now.Received), now.Next, err)
		}
	}
	large := wanted(payload(40_000))
	s = q.upload(large)
	for n := range 2000 {
		if err := q.sendOne(s.ID, n+1, crate[:20]); err != nil {
			t.Fatal(err)
		}
	}
	wants := direct.Begin{Blobs: []direct.Wanted{large}}
	for n := range 99 {
		wants.Blobs = append(wants.Blobs, wanted(fmt.Appendf(nil, "%d %50d", n, n)))
	}
	begun, err := q.reg.BeginDirect(t.Context(), q.repo, wants)
	if err != nil {
		t.Fatal(err)
	}
	if s := begun.Blobs[0].Upload; len(s.Received) != 40 || s.Next != 40 {
		t.Errorf("got %d parts, next %d, want 40", len(s.Received), s.Next)
	}
}

// TestDirectAnew: an upload that cannot be gone on with gives way to a new one, and
// leaves nothing.
func TestDirectAnew(t *testing.T) {
	for name, end := range map[string]func(*testing.T, quay, *clock, direct.Status){
		"expired": func(t *testing.T, q quay, c *clock, s direct.Status) { c.pass(49 * time.Hour) },
		"lost": func(t *testing.T, q quay, c *clock, s direct.Status) {
			if err := q.store.Abort(t.Context(), blobs.Upload{Key: q.store.Uploads()[0]}); err != nil {
				t.Fatal(err)
			}
			if _, err := q.status(s.ID, 0); !errors.Is(err, oci.ErrUploadUnknown) {
				t.Errorf("status: %v, want BLOB_UPLOAD_UNKNOWN", err)
			}
			if _, err := q.complete(s.ID, s.Digest, len(crate)); !errors.Is(err, oci.ErrUploadUnknown) {
				t.Errorf("complete: %v, want BLOB_UPLOAD_UNKNOWN", err)
			}
		},
		"of another size": func(t *testing.T, q quay, c *clock, s direct.Status) {
			q.upload(direct.Wanted{Digest: s.Digest, Size: s.Size + 1})
		},
		"aborted": func(t *testing.T, q quay, c *clock, s direct.Status) {
			for _, want := range []error{nil, oci.ErrUploadUnknown} {
				if err := q.reg.AbortDirect(t.Context(), q.repo, s.ID); !errors.Is(err, want) {
					t.Errorf("abort: %v, want %v", err, want)
				}
			}
			q.leaves(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			q := newTinyQuay(t, registry.Options{Now: c.now})
			s := q.upload(wanted(crate))
			if err := q.sendOne(s.ID, 1, crate[:20]); err != nil {
				t.Fatal(err)
			}
			end(t, q, c, s)
			if s := q.upload(wanted(crate)); s.Received != nil {
				t.Errorf("got %+v, want nothing received", s)
			}
			q.push(crate)
			q.serves(oci.SHA256.Sum(crate), crate)
			q.leaves(1)
		})
	}
}

// TestDirectLifetime: an upload lives for two days after somebody worked on it, but
// is over before the store's broom comes for what it has.
func TestDirectLifetime(t *testing.T) {
	c := newClock()
	q := newTinyQuay(t, registry.Options{Now: c.now})
	s := q.upload(wanted(crate))
	days := 0
	for ; q.sendOne(s.ID, 1, crate[:20]) == nil; days++ {
		c.pass(24 * time.Hour)
	}
	if days != 8 || c.Sub(newClock().Time) < blobs.UploadLife {
		t.Errorf("it took parts for %d days, want 7", days-1)
	}
	if _, err := q.status(s.ID, 0); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("status: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
	q.push(crate)
	q.leaves(1)
}

// TestDirectDone: for two hours it is known that an upload is done.
func TestDirectDone(t *testing.T) {
	c := newClock()
	q := newTinyQuay(t, registry.Options{Now: c.now})
	id := q.push(crate).ID
	for _, want := range []error{nil, oci.ErrUploadUnknown} {
		if _, err := q.complete(id, oci.SHA256.Sum(crate), len(crate)); !errors.Is(err, want) {
			t.Errorf("complete again: %v, want %v", err, want)
		}
		c.pass(3 * time.Hour)
	}
	// What was deleted since is sent anew, also within that time.
	q.push(chest)
	if err := q.reg.DeleteBlob(t.Context(), q.repo, oci.SHA256.Sum(chest)); err != nil {
		t.Fatal(err)
	}
	q.push(chest)
	q.leaves(2)
}

// TestBeginDirectTwiceAtOnce: one blob named many times is one upload.
func TestBeginDirectTwiceAtOnce(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	begun, err := q.reg.BeginDirect(t.Context(), home, direct.Begin{Blobs: slices.Repeat([]direct.Wanted{wanted(crate)}, 50)})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range begun.Blobs {
		if b.Upload == nil || b.Upload.ID != begun.Blobs[0].Upload.ID {
			t.Errorf("got %+v, want upload %s", b, begun.Blobs[0].Upload.ID)
		}
	}
	if got := q.store.Uploads(); len(got) != 1 {
		t.Errorf("got uploads %q, want one", got)
	}
}

// A late table says of a blob that it is not here, until the upload has been read.
type lateTable struct {
	table.Store
	late func()
}

func (l *lateTable) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if strings.HasPrefix(key.Sort, "direct#") && l.late != nil {
		late := l.late
		l.late = nil
		late()
	}
	return l.Store.Get(ctx, key)
}

// TestBeginDirectOfWhatIsJustDone: an upload that is done while somebody begins the
// same is not sent again.
func TestBeginDirectOfWhatIsJustDone(t *testing.T) {
	items := &lateTable{Store: newMemTable()}
	q := newTinyQuay(t, registry.Options{})
	q.reg = registry.New(items, q.store, registry.Options{}).Tiny()
	items.late = func() { q.push(crate) }
	if b := q.begin(wanted(crate)); b.State != direct.Present || b.Upload != nil {
		t.Errorf("got %+v, want it present", b)
	}
	q.leaves(1)
}

// TestDirectBudget: what requests cost.
func TestDirectBudget(t *testing.T) {
	counting := tabletest.NewCounting(newMemTable())
	memory := blobstest.NewMemory(blobstest.MemoryOptions{MinPart: 8})
	store, calls := blobstest.Counting(memory)
	b := budget{newTeamOn(t, counting, store, registry.Options{}), counting, calls}
	b.reg = b.reg.Tiny()
	q := quay{b.team, memory}
	s := &stage{newCast(), t, b.reg}
	s.do(putBlob(home, s.config), push(s.plain, "1"))
	begin := func(ws ...direct.Wanted) func() error {
		return func() error {
			_, err := b.reg.BeginDirect(t.Context(), home, direct.Begin{Blobs: ws, Manifests: []oci.Digest{oci.SHA256.Sum(s.plain)}})
			return err
		}
	}
	b.spends("begin of what is here", tabletest.Counts{GetManys: 1}, nil, begin(slices.Repeat([]direct.Wanted{wanted(s.config)}, 100)...))
	b.spends("begin of one PUT", tabletest.Counts{GetManys: 1, Queries: 1, Gets: 1, Transacts: 1}, kinds("marked url"), begin(wanted(parcel)))
	b.spends("begin", tabletest.Counts{GetManys: 1, Queries: 1, Gets: 1, Transacts: 1}, kinds("begin parts"), begin(wanted(crate)))
	b.spends("begin again", tabletest.Counts{GetManys: 1, Queries: 1, Gets: 1}, kinds("parts"), begin(wanted(crate)))
	id := q.upload(wanted(crate)).ID
	b.spends("sign 3 parts", tabletest.Counts{Gets: 1}, kinds("part url", "part url", "part url"), func() error {
		signed, err := b.reg.SignParts(t.Context(), home, id, direct.Sign{
			Parts: []direct.Part{partOf(1, crate[:20]), partOf(2, crate[20:40]), partOf(3, crate[40:])},
		})
		for i, to := range signed.Parts {
			if err := q.send(to, crate[20*i:min(20*i+20, len(crate))]); err != nil {
				t.Error(err)
			}
		}
		return err
	})
	b.spends("complete", tabletest.Counts{Gets: 1, GetManys: 1, Transacts: 2}, kinds("parts", "join", "stat", "sum", "keep"), func() error {
		_, err := q.complete(id, oci.SHA256.Sum(crate), len(crate))
		return err
	})
	b.spends("complete again", tabletest.Counts{Gets: 1}, nil, func() error {
		_, err := q.complete(id, oci.SHA256.Sum(crate), len(crate))
		return err
	})
	put := q.upload(wanted(parcel))
	if err := q.send(*put.Put, parcel); err != nil {
		t.Fatal(err)
	}
	b.spends("complete one PUT", tabletest.Counts{Gets: 1, GetManys: 1, Transacts: 2}, kinds("stat", "stat", "keep"), func() error {
		_, err := q.complete(put.ID, oci.SHA256.Sum(parcel), len(parcel))
		return err
	})
}

// kinds counts calls.
func kinds(called ...blobstest.Kind) map[blobstest.Kind]int {
	n := map[blobstest.Kind]int{}
	for _, k := range called {
		n[k]++
	}
	return n
}

// condemn leaves a blob as a deletion does that has begun.
func condemn(t *testing.T, tab table.Store, repo string, body []byte) {
	t.Helper()
	state := table.Update(in(repo, "blob#"+string(oci.SHA256.Sum(body))), table.S("state", "condemned"))
	if err := tab.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: []table.Action{state}}); err != nil {
		t.Fatal(err)
	}
}
