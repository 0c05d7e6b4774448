package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthregistry/berth/bench/line"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
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
// No guard of the local cloud stands before the bucket: the others would not pass
// it. Our layers are read once more on the other side, to see that they are right,
// which is counted.
func takeTransfer(ctx context.Context, s *stage) error { return s.transfer(ctx, nil) }

// takeLine is takeTransfer where the way to the bucket is the bottleneck and not
// the processors.
func takeLine(ctx context.Context, s *stage) error { return s.transfer(ctx, &storeLine) }

// storeLine is to the machines of these figures, which move a few hundred MiB a
// second, what the way to S3 is to larger ones: a connection gets 85 to 90 MB a
// second there, about a fifteenth of a network of 10 Gb/s (Performance Design
// Patterns for Amazon S3). Here it is an eighth.
var storeLine = line.Limits{Connection: 25 << 20, Whole: 200 << 20}

func (s *stage) transfer(ctx context.Context, over *line.Limits) error {
	h, err := s.newHarbour(ctx, over)
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
