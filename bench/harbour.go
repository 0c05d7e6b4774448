package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/line"
	"github.com/berthregistry/berth/bench/target"
	"github.com/berthregistry/berth/bench/tool"
)

// Buckets of the S3 server that all rivals use. Berth's is the cloud's.
const (
	bareBucket         = "bench-bare"
	distributionBucket = "bench-distribution"
)

// A harbour is all that large images are moved between.
type harbour struct {
	*stage
	store        *target.Store
	storeURL     string // by which all find it
	cloud        *target.Target
	distribution *target.Target // nil without
	berth, crane tool.Tool
	rclone       tool.Tool
	maker        *client.Maker
}

// newHarbour gets everything ready. Over says what the line to the store is like; nil
// is none.
func (s *stage) newHarbour(ctx context.Context, over *line.Limits) (*harbour, error) {
	s.say(s.figure + ": installing tools, unless they are there, and building and starting the local cloud")
	h := &harbour{stage: s, maker: client.NewMaker()}
	cache, err := filepath.Abs(filepath.Join(".cache", "bench"))
	if err != nil {
		return nil, fmt.Errorf("find the cache: %w", err)
	}
	if h.crane, err = tool.InstallCrane(ctx, cache); err != nil {
		return nil, err
	}
	if h.rclone, err = tool.InstallRclone(ctx, cache); err != nil {
		return nil, err
	}
	if h.store, err = target.StartStore(ctx, ".", s.dir, bareBucket, distributionBucket); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, h.store.Stop)
	h.storeURL = h.store.URL()
	if over != nil {
		way, err := line.Open(h.store.Host(), *over)
		if err != nil {
			return nil, err
		}
		s.stops = append(s.stops, way.Close)
		h.storeURL = "http://" + way.Addr()
	}
	h.berth = tool.Tool{Name: "berth", Path: s.bench.berth}
	h.rclone.Env = []string{
		"RCLONE_CONFIG=" + os.DevNull, "RCLONE_CONFIG_STORE_TYPE=s3", "RCLONE_CONFIG_STORE_PROVIDER=Other",
		"RCLONE_CONFIG_STORE_ENDPOINT=" + h.storeURL, "RCLONE_CONFIG_STORE_REGION=us-east-1",
		"RCLONE_CONFIG_STORE_ACCESS_KEY_ID=" + target.StoreKey, "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=" + target.StoreSecret,
	}
	if s.bench.distribution != "" {
		if h.distribution, err = s.keep(target.DistributionOn(ctx, s.bench.distribution, h.storeURL, distributionBucket, s.dir)); err != nil {
			return nil, err
		}
	}
	return h, h.startCloud(ctx)
}

func (h *harbour) startCloud(ctx context.Context) error {
	bootstraps := filepath.Join(h.dir, "native")
	if _, err := function.Build(ctx, ".", bootstraps, true); err != nil {
		return err
	}
	binary, err := target.BuildCloud(ctx, ".", h.dir)
	if err != nil {
		return err
	}
	db, err := target.StartDynamoDB(ctx, ".", h.dir)
	if err != nil {
		return err
	}
	h.stops = append(h.stops, db.Stop)
	h.cloud, err = h.keep(target.Cloud(ctx, "cloud", binary, bootstraps, db, h.dir,
		"--unguarded", "--s3", h.storeURL, "--s3-access-key", target.StoreKey, "--s3-secret-key", target.StoreSecret))
	return err
}
