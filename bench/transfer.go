package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
	"github.com/berthregistry/berth/bench/tool"
)

const (
	// largeLayers are in each image that is moved.
	largeLayers = 4
	// nearTool is how near to a tool that moves the same bytes to and from the
	// same bucket, and knows nothing of images, ours must come.
	nearTool = 0.85
	// How much faster than crane with distribution.
	beforeCranePush = 2
	beforeCranePull = 1.5
	// moverLimit is how much of a command may be resident, in bytes.
	moverLimit = 256 << 20
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
	cloud        *target.Target
	distribution *target.Target // nil without
	berth, crane tool.Tool
	rclone       tool.Tool
	maker        *client.Maker
}

// A mover moves images to a place of its own and back.
type mover struct {
	name  string
	push  func(ctx context.Context, layout string) (tool.Run, error)
	pull  func(ctx context.Context, dir string) (tool.Run, error)
	clear func() error // what is left of both

	wantPush, wantPull float64 // how much faster ours is to be
}

// A trip is what it took to push an image and to pull it.
type trip struct{ push, pull tool.Run }

// takeTransfer measures commands that move images of large layers: ours with
// the local cloud, a bare tool with the bucket, and crane with distribution on
// another bucket of the same S3 server.
//
// Ours passes the permission check of the local cloud on its way to the bucket,
// which the others do not, and its layers are read once more on the other side,
// to see that they are right.
func takeTransfer(ctx context.Context, s *stage) error {
	h, err := s.newHarbour(ctx)
	if err != nil {
		return err
	}
	movers := h.movers()
	trips, err := race(ctx, s.transferRounds, len(movers), func(ctx context.Context, i int) (trip, error) {
		return h.travel(ctx, movers[i])
	})
	if err != nil {
		return err
	}
	for i, m := range movers[1:] {
		if err := s.addTrips(trips[0], m, trips[i+1]); err != nil {
			return err
		}
	}
	return s.addMoverMemory(trips[0])
}

// addTrips reports what our trips took beside those of another.
func (s *stage) addTrips(ours []trip, m mover, theirs []trip) error {
	what := fmt.Sprintf("%d layers of %d MiB", largeLayers, s.transferLayer>>20)
	for _, leg := range []struct {
		name string
		run  func(trip) tool.Run
		want float64
	}{
		{"push of ", func(t trip) tool.Run { return t.push }, m.wantPush},
		{"pull of ", func(t trip) tool.Run { return t.pull }, m.wantPull},
	} {
		gib := float64(largeLayers*s.transferLayer) / (1 << 30)
		rate := func(t trip) float64 { return gib * (1 << 30) / leg.run(t).Elapsed.Seconds() }
		cpu := func(t trip) float64 { return leg.run(t).CPU.Seconds() / gib }
		row := compared(leg.name+what, report.Bandwidth, each(ours, rate), m.name, each(theirs, rate))
		row.Ours.CPUPerGiB, row.Theirs.CPUPerGiB = report.Median(each(ours, cpu)), report.Median(each(theirs, cpu))
		row.Wanted.AtLeast = leg.want
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// addMoverMemory reports the most that our commands had resident.
func (s *stage) addMoverMemory(ours []trip) error {
	for _, leg := range []struct {
		name string
		run  func(trip) tool.Run
	}{
		{"push", func(t trip) tool.Run { return t.push }},
		{"pull", func(t trip) tool.Run { return t.pull }},
	} {
		peak := slices.Max(each(ours, func(t trip) float64 { return float64(leg.run(t).Memory) }))
		if peak == 0 {
			s.say("transfer: what is resident is " + machine.ErrUnknown.Error())
			return nil
		}
		if err := s.add(limited("memory of berth "+leg.name, report.Bytes, peak, moverLimit)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) newHarbour(ctx context.Context) (*harbour, error) {
	s.say("transfer: installing tools, unless they are there, and building and starting the local cloud")
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
	h.berth = tool.Tool{Name: "berth", Path: s.bench.berth}
	h.rclone.Env = []string{
		"RCLONE_CONFIG=" + os.DevNull, "RCLONE_CONFIG_STORE_TYPE=s3", "RCLONE_CONFIG_STORE_PROVIDER=Other",
		"RCLONE_CONFIG_STORE_ENDPOINT=" + h.store.URL(), "RCLONE_CONFIG_STORE_REGION=us-east-1",
		"RCLONE_CONFIG_STORE_ACCESS_KEY_ID=" + target.StoreKey, "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=" + target.StoreSecret,
	}
	if s.bench.distribution != "" {
		if h.distribution, err = s.keep(target.DistributionOn(ctx, s.bench.distribution, h.store, distributionBucket, s.dir)); err != nil {
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
		"--s3", h.store.URL(), "--s3-access-key", target.StoreKey, "--s3-secret-key", target.StoreSecret))
	return err
}
