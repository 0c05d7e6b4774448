package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// What is wanted of attaching: so many in a second, and with thousands on the
// subject nearly as many as with none.
const (
	attachRate = 500
	attachFlat = 0.8
)

const signatureType = "application/vnd.example.signature"

// takeAttach measures how fast one client attaches small artifacts, one after
// the other, to one subject: first in turn with the peers, then alone, to see
// whether it slows down. All the while it asks what the disk can do.
func takeAttach(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	if registries, err = withReferrers(ctx, registries); err != nil {
		return err
	}
	disk := func(context.Context) (float64, error) { return syncRate(s.dir, s.duration/5) }
	contenders := []contender{disk}
	for _, t := range registries {
		a, err := newAttacher(ctx, t)
		if err != nil {
			return err
		}
		contenders = append(contenders, func(ctx context.Context) (float64, error) { return a.attach(ctx, s.attachBlock) })
	}
	first, err := raceRates(ctx, s.attachedAll/s.attachBlock, contenders)
	if err != nil {
		return err
	}
	for i, rival := range registries[1:] {
		err := s.add(report.Row{
			Case: fmt.Sprintf("attach, the first %d", s.attachedAll), Unit: report.PerSecond, Peer: rival.Name,
			Ours: report.Value{Value: report.Median(first[1])}, Theirs: report.Value{Value: report.Median(first[i+2])},
			Ratio: ratio(first[1], first[i+2]), Wanted: report.Bound{AtLeast: 1},
		})
		if err != nil {
			return err
		}
	}
	alone, err := raceRates(ctx, (s.attached-s.attachedAll)/s.attachBlock, contenders[:2])
	if err != nil {
		return err
	}
	return s.addAttached(append(first[1], alone[1]...), append(first[0], alone[0]...))
}

// A contender does something for a while and returns how often in a second.
type contender func(context.Context) (rate float64, err error)

func raceRates(ctx context.Context, rounds int, contenders []contender) ([][]float64, error) {
	return race(ctx, rounds, len(contenders), func(ctx context.Context, i int) (float64, error) { return contenders[i](ctx) })
}

// addAttached reports our rates, block by block, and those of the disk at the
// time: beside what is wanted, beside the disk, and the last beside the first.
func (s *stage) addAttached(rates, disk []float64) error {
	row := report.Row{
		Case: fmt.Sprintf("attach, %d to one subject", s.attached), Unit: report.PerSecond,
		Ours: report.Value{Value: report.Median(rates)}, Peer: "the aim", Theirs: report.Value{Value: attachRate},
		Ratio: report.Of(each(rates, func(r float64) float64 { return r / attachRate })), Wanted: report.Bound{AtLeast: 1},
	}
	if err := s.add(row); err != nil {
		return err
	}
	row.Peer, row.Theirs = "the disk", report.Value{Value: report.Median(disk)}
	row.Ratio, row.Wanted = ratio(rates, disk), report.Bound{}
	row.Note = "the disk appends 4 KiB with an fsync; to attach is 3 requests, each durable before it is answered"
	if err := s.add(row); err != nil {
		return err
	}
	return s.addFlat(rates, disk)
}

// addFlat compares the last tenth with the first, each as a part of what the
// disk could do then.
func (s *stage) addFlat(rates, disk []float64) error {
	var parts []float64
	for i := range rates {
		parts = append(parts, rates[i]/disk[i])
	}
	tenth := max(len(rates)/10, 1)
	end := len(rates) - tenth
	var steps []string
	for block := range slices.Chunk(rates, tenth) {
		steps = append(steps, fmt.Sprintf("%.0f", report.Median(block)))
	}
	return s.add(report.Row{
		Case: fmt.Sprintf("attach, the last %d", tenth*s.attachBlock), Unit: report.PerSecond,
		Ours: report.Value{Value: report.Median(rates[end:])},
		Peer: "the first", Theirs: report.Value{Value: report.Median(rates[:tenth])},
		Ratio:  report.Of([]float64{report.Median(parts[end:]) / report.Median(parts[:tenth])}),
		Wanted: report.Bound{AtLeast: attachFlat},
		Note:   "the ratio allows for what the disk did at the time; a second, tenth by tenth: " + strings.Join(steps, " "),
	})
}

// withReferrers leaves out the registries that list none. Ours must.
func withReferrers(ctx context.Context, registries []*target.Target) ([]*target.Target, error) {
	repo := repo("asked")
	digest, err := pushSmallImage(ctx, registries, repo)
	if err != nil {
		return nil, err
	}
	var able []*target.Target
	for i, t := range registries {
		_, err := t.Get(ctx, "/v2/"+repo+"/referrers/"+digest)
		if err == nil {
			able = append(able, t)
		} else if i == 0 {
			return nil, err
		}
	}
	return able, nil
}

// An attacher attaches to one subject in one registry.
type attacher struct {
	*target.Target
	repo    string
	subject client.Manifest
	maker   *client.Maker
}

// newAttacher pushes a subject. The config that all artifacts share is there
// before the first of them is.
func newAttacher(ctx context.Context, t *target.Target) (*attacher, error) {
	a := &attacher{Target: t, repo: repo("attach"), maker: client.NewMaker()}
	config, layer := a.maker.Blob(imageConfig), a.maker.Blob(4<<10)
	for _, b := range []client.Blob{config, layer, client.Empty()} {
		if err := t.PushBlob(ctx, a.repo, b); err != nil {
			return nil, err
		}
	}
	a.subject = client.Image(config, layer)
	return a, t.PushManifest(ctx, a.repo, imageManifest, a.subject)
}

// attach attaches n artifacts, each with a layer of its own, and returns how
// many it would in a second.
func (a *attacher) attach(ctx context.Context, n int) (rate float64, err error) {
	start := time.Now()
	for range n {
		layer := a.maker.Blob(512)
		if err := a.PushBlob(ctx, a.repo, layer); err != nil {
			return 0, err
		}
		m := client.Artifact(a.subject, signatureType, "", layer)
		if err := a.PushManifest(ctx, a.repo, m.Digest, m); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
