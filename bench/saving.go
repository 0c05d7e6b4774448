package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/line"
	"github.com/berthregistry/berth/bench/meter"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// silently begins the names of repositories whose manifests are served without
// OCI-Referrers.
const (
	silently       = "silent"
	silentSettings = `repositories: [{pattern: "bench/` + silently + `-*", referrers-header: off}]`
)

// takeSaving measures what OCI-Referrers saves whoever copies an image with all
// that refers to it from one registry to another: the same copy from a
// repository that has the header and from one that has it not, over lines that
// add some time to each round trip.
func takeSaving(ctx context.Context, s *stage) error {
	c, err := s.newCrossing(ctx)
	if err != nil {
		return err
	}
	copiers, err := s.copiers(ctx)
	if err != nil {
		return err
	}
	saved := make([][]float64, len(copiers)) // in each round, on the line where it was least
	for _, added := range s.roundTrips {
		w, err := c.open(added)
		if err != nil {
			return err
		}
		crossed, err := c.race(ctx, w, copiers)
		if err != nil {
			return err
		}
		for i, k := range copiers {
			with, without := crossed[2*i], crossed[2*i+1]
			if err := s.addCrossed(k.name, added, with, without); err != nil {
				return err
			}
			here := less(each(without, referrers), each(with, referrers))
			if saved[i] == nil || report.Median(here) < report.Median(saved[i]) {
				saved[i] = here
			}
		}
	}
	for i, k := range copiers {
		row := compared(k.name+": requests that need not be made", report.Count, saved[i],
			"the proposal", each(saved[i], func(float64) float64 { return unreferred }))
		row.Wanted.AtLeast = 1
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// A crossing is a registry with an image and one without, and the meters before
// them.
type crossing struct {
	*stage
	from, to             *target.Target
	meterFrom, meterTo   *meter.Meter
	image                *attested
	repository, silently string // with the header and without
}

func (s *stage) newCrossing(ctx context.Context) (*crossing, error) {
	settings := filepath.Join(s.dir, "settings.yaml")
	if err := os.WriteFile(settings, []byte(silentSettings), 0o666); err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	c := &crossing{stage: s, image: newAttested(client.NewMaker()), repository: repo("saving"), silently: repo(silently)}
	var err error
	if c.from, err = s.keep(target.BerthWith(ctx, "from", s.berth, s.dir, "--config", settings)); err != nil {
		return nil, err
	}
	if c.to, err = s.keep(target.BerthWith(ctx, "to", s.berth, s.dir)); err != nil {
		return nil, err
	}
	c.meterFrom, c.meterTo = meter.Before(c.from.Host()), meter.Before(c.to.Host())
	s.stops = append(s.stops, c.meterFrom.Close, c.meterTo.Close)
	for _, name := range []string{c.repository, c.silently} {
		if err := c.image.push(ctx, c.from, name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// A way leads to both registries, past the meters.
type way struct{ from, to *line.Line }

// open opens a way that adds so much to each round trip.
func (c *crossing) open(added time.Duration) (w way, err error) {
	if w.from, err = c.openLine(c.meterFrom, added); err != nil {
		return w, err
	}
	w.to, err = c.openLine(c.meterTo, added)
	return w, err
}

func (c *crossing) openLine(to *meter.Meter, added time.Duration) (*line.Line, error) {
	l, err := line.Open(to.Addr(), line.Limits{Delay: added / 2})
	if err == nil {
		c.stops = append(c.stops, l.Close)
	}
	return l, err
}

// proxy starts a proxy on this side of the line.
func (c *crossing) proxy(ctx context.Context, w way) (*target.Target, error) {
	behind, err := target.At("from", "http://"+w.from.Addr())
	if err != nil {
		return nil, err
	}
	return target.Proxy(ctx, c.berth, behind, c.dir)
}

// A passed is what one copy took.
type passed struct {
	meter.Count
	elapsed time.Duration
}

func referrers(p passed) float64 { return float64(p.Requests[meter.Referrers]) }

// race has each copier copy in turn, from the repository that has the header and
// from the silent one: these are the results 2i and 2i+1 of copier i.
func (c *crossing) race(ctx context.Context, w way, copiers []copier) ([][]passed, error) {
	return race(ctx, c.savingRounds, 2*len(copiers), func(ctx context.Context, i int) (passed, error) {
		from := c.repository
		if i%2 == 1 {
			from = c.silently
		}
		return c.copy(ctx, w, copiers[i/2], from)
	})
}

// copy copies the image to a repository that nobody has used, and sees that all
// of it is there. A proxy has not seen any copy before, of which it might know
// something.
func (c *crossing) copy(ctx context.Context, w way, k copier, from string) (passed, error) {
	source, to := w.from.Addr(), repo("copied")
	if k.proxied {
		proxy, err := c.proxy(ctx, w)
		if err != nil {
			return passed{}, err
		}
		defer proxy.Stop()
		source = proxy.Host()
	}
	c.meterFrom.Reset()
	c.meterTo.Reset()
	run, err := k.copy(ctx, source+"/"+from+":"+imageManifest, w.to.Addr()+"/"+to+":"+imageManifest)
	if err != nil {
		return passed{}, err
	}
	p := passed{c.meterFrom.Reset().Plus(c.meterTo.Reset()), run.Elapsed}
	return p, c.image.arrived(ctx, c.to, to)
}
