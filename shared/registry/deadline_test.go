package registry_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// A slow table answers no transaction until its context ends, once it is told so.
type slowTable struct {
	table.Store
	slow bool
}

func (s *slowTable) Transact(ctx context.Context, tx table.Tx) error {
	if !s.slow {
		return s.Store.Transact(ctx, tx)
	}
	<-ctx.Done()
	return ctx.Err()
}

// sailed is a direct upload that was sent before the table became slow.
func (tm team) sailed() string {
	items := tm.table.(*slowTable)
	items.slow = false
	defer func() { items.slow = true }()
	return (&stage{t: tm.TB.(*testing.T), reg: tm.reg}).sail(stream, crate)
}

// A function is killed when its time is over, so a write that has a deadline
// ends by then, though one whose client has hung up goes on.
func TestWritesEndAtTheDeadline(t *testing.T) {
	const small, large = 100, 100_000
	for name, write := range map[string]func(context.Context, team, oci.Descriptor) error{
		"append": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			u, err := tm.reg.StartUpload(ctx, tm.repo, "")
			if err != nil {
				return err
			}
			_, err = tm.reg.AppendUpload(ctx, tm.repo, u.ID, 0, large, bytes.NewReader(payload(large)))
			return err
		},
		"finish": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			u, err := tm.reg.StartUpload(ctx, tm.repo, "")
			if err != nil {
				return err
			}
			body := payload(large)
			_, err = tm.reg.FinishUpload(ctx, tm.repo, u.ID, 0, large, oci.SHA256.Sum(body), bytes.NewReader(body))
			return err
		},
		"put blob": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			body := payload(small)
			return tm.reg.PutBlob(ctx, tm.repo, int64(len(body)), oci.SHA256.Sum(body), bytes.NewReader(body))
		},
		"put manifest": func(ctx context.Context, tm team, config oci.Descriptor) error {
			_, err := tm.reg.PutManifest(ctx, registry.ManifestPush{
				Repo: tm.repo, Ref: oci.Reference{Tag: "1"}, Body: image(config, nil, nil),
			})
			return err
		},
		"begin direct": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			_, err := tm.reg.BeginDirect(ctx, tm.repo, direct.Begin{Blobs: []direct.Wanted{stream}})
			return err
		},
		"complete direct": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			_, err := tm.reg.CompleteDirect(ctx, tm.repo, tm.sailed(), direct.Complete{Digest: oci.SHA256.Sum(crate), Size: int64(len(crate))})
			return err
		},
		"abort direct": func(ctx context.Context, tm team, _ oci.Descriptor) error {
			return tm.reg.AbortDirect(ctx, tm.repo, tm.sailed())
		},
		"delete blob": func(ctx context.Context, tm team, config oci.Descriptor) error {
			return tm.reg.DeleteBlob(ctx, tm.repo, config.Digest)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				items := &slowTable{Store: newMemTable()}
				tm := newTeamOn(t, items, newMemBlobs(), registry.Options{})
				config := tm.blob(small)
				items.slow = true
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				time.AfterFunc(time.Second, cancel) // which a write does not mind
				start := time.Now()
				err := write(ctx, tm, config)
				if took := time.Since(start); err == nil || took != 10*time.Second {
					t.Errorf("ended after %v with %v, want the deadline of 10s", took, err)
				}
			})
		})
	}
}
