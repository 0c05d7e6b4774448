package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/tool"
)

// movers are the rivals; ours is the first.
func (h *harbour) movers() []mover {
	all := []mover{h.ours(), h.bare()}
	if h.distribution != nil {
		all = append(all, h.others())
	}
	return all
}

func (h *harbour) ours() mover {
	image := h.cloud.Host() + "/" + repo("transfer") + ":" + imageManifest
	return mover{
		name: "berth",
		push: func(ctx context.Context, layout string) (tool.Run, error) {
			return h.berth.Run(ctx, "push", layout+":"+imageManifest, image)
		},
		pull: func(ctx context.Context, dir string) (tool.Run, error) {
			return h.berth.Run(ctx, "pull", image, dir)
		},
		clear: func() error {
			buckets, err := h.store.Buckets()
			if err != nil {
				return err
			}
			for _, b := range buckets {
				if b == bareBucket || b == distributionBucket {
					continue
				}
				if err := h.store.Empty(b); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// bare moves the files of the layout, as they are. Its own defaults are four
// files at a time and four parts of each.
func (h *harbour) bare() mover {
	args := []string{"copy", "--s3-no-check-bucket", "--s3-chunk-size", "16M", "--multi-thread-cutoff", "32M"}
	const place = "store:" + bareBucket + "/image"
	return mover{
		name: h.rclone.Name, wantPush: nearTool, wantPull: nearTool,
		push: func(ctx context.Context, layout string) (tool.Run, error) {
			return h.rclone.Run(ctx, append(args, filepath.Join(layout, "blobs", "sha256"), place)...)
		},
		pull: func(ctx context.Context, dir string) (tool.Run, error) {
			return h.rclone.Run(ctx, append(args, place, dir)...)
		},
		clear: func() error { return h.store.Empty(bareBucket) },
	}
}

func (h *harbour) others() mover {
	image := h.distribution.Host() + "/" + repo("transfer") + ":" + imageManifest
	return mover{
		name: h.crane.Name, wantPush: beforeCranePush, wantPull: beforeCranePull,
		push: func(ctx context.Context, layout string) (tool.Run, error) {
			return h.crane.Run(ctx, "push", layout, image)
		},
		pull: func(ctx context.Context, dir string) (tool.Run, error) {
			return h.crane.Run(ctx, "pull", "--format", "oci", image, dir)
		},
		clear: func() error { return h.store.Empty(distributionBucket) },
	}
}

// travel makes an image that nobody has seen, and has it pushed and pulled. What
// that leaves is removed: it is large.
func (h *harbour) travel(ctx context.Context, m mover) (t trip, err error) {
	layout, pulled := filepath.Join(h.dir, "image"), filepath.Join(h.dir, "pulled")
	defer os.RemoveAll(layout)
	defer os.RemoveAll(pulled)
	im := newImageOf(h.maker, largeLayers, h.transferLayer)
	if err := client.WriteLayout(layout, im.tagged(imageManifest)); err != nil {
		return trip{}, err
	}
	machine.Settle()
	if t.push, err = m.push(ctx, layout); err != nil {
		return trip{}, err
	}
	machine.Settle() // nobody's pull waits for the disk of what came before
	if t.pull, err = m.pull(ctx, pulled); err != nil {
		return trip{}, err
	}
	if err := same(pulled, im.layers); err != nil {
		return trip{}, fmt.Errorf("%s pulled something else than it pushed: %w", m.name, err)
	}
	return t, m.clear()
}

// same says whether the layers that were pushed came back, by their sizes. Whether
// their bytes are right is for the tools to see.
func same(pulled string, layers []client.Blob) error {
	found := map[string]int64{}
	err := filepath.WalkDir(pulled, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		found[e.Name()] = info.Size()
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range layers {
		if got := found[strings.TrimPrefix(l.Digest, "sha256:")]; got != l.Size {
			return fmt.Errorf("%s has %d bytes, not %d", l.Digest, got, l.Size)
		}
	}
	return nil
}
