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
// whether it slows down.
func takeAttach(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	registries, err = withReferrers(ctx, registries)
	if err != nil {
		return err
	}
	rates, err := s.raceAttach(ctx, registries)
	if err != nil {
		return err
	}
	for i, rival := range registries[1:] {
		err := s.add(report.Row{
			Case: fmt.Sprintf("attach, the first %d", s.attachedAll), Unit: report.PerSecond, Peer: rival.Name,
			Ours:   report.Value{Value: report.Median(rates[0][:len(rates[i+1])])},
			Theirs: report.Value{Value: report.Median(rates[i+1])},
			Ratio:  ratio(rates[0][:len(rates[i+1])], rates[i+1]), Wanted: report.Bound{AtLeast: 1},
		})
		if err != nil {
			return err
		}
	}
	return s.addAttached(rates[0])
}

// raceAttach returns the rates of each registry, block by block. There are more
// of ours.
func (s *stage) raceAttach(ctx context.Context, registries []*target.Target) ([][]float64, error) {
	var attachers []*attacher
	for _, t := range registries {
		a, err := newAttacher(ctx, t)
		if err != nil {
			return nil, err
		}
		attachers = append(attachers, a)
	}
	turn := func(ctx context.Context, i int) (float64, error) {
		start := time.Now()
		err := attachers[i].attach(ctx, s.attachBlock)
		return float64(s.attachBlock) / time.Since(start).Seconds(), err
	}
	rates, err := race(ctx, s.attachedAll/s.attachBlock, len(registries), turn)
	if err != nil {
		return nil, err
	}
	alone, err := race(ctx, (s.attached-s.attachedAll)/s.attachBlock, 1, turn)
	if err != nil {
		return nil, err
	}
	rates[0] = append(rates[0], alone[0]...)
	return rates, nil
}

// addAttached reports our rates alone: beside what is wanted, and whether the
// last are like the first.
func (s *stage) addAttached(rates []float64) error {
	tenth := max(len(rates)/10, 1)
	first, last := report.Median(rates[:tenth]), report.Median(rates[len(rates)-tenth:])
	var steps []string
	for block := range slices.Chunk(rates, tenth) {
		steps = append(steps, fmt.Sprintf("%.0f", report.Median(block)))
	}
	syncs, err := syncRate(s.dir, s.duration)
	if err != nil {
		return err
	}
	err = s.add(report.Row{
		Case: fmt.Sprintf("attach, %d to one subject", s.attached), Unit: report.PerSecond,
		Ours: report.Value{Value: report.Median(rates)}, Peer: "the aim", Theirs: report.Value{Value: attachRate},
		Ratio: report.Of(each(rates, func(r float64) float64 { return r / attachRate })), Wanted: report.Bound{AtLeast: 1},
		Note: fmt.Sprintf("each is 3 requests; this disk takes %.0f appends with fsync a second", syncs),
	})
	if err != nil {
		return err
	}
	return s.add(report.Row{
		Case: fmt.Sprintf("attach, the last %d", tenth*s.attachBlock), Unit: report.PerSecond,
		Ours: report.Value{Value: last}, Peer: "the first", Theirs: report.Value{Value: first},
		Ratio: report.Of([]float64{last / first}), Wanted: report.Bound{AtLeast: attachFlat},
		Note: "per second, tenth by tenth: " + strings.Join(steps, " "),
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

// attach attaches n artifacts, each with a layer of its own.
func (a *attacher) attach(ctx context.Context, n int) error {
	for range n {
		layer := a.maker.Blob(512)
		if err := a.PushBlob(ctx, a.repo, layer); err != nil {
			return err
		}
		m := client.Artifact(a.subject, signatureType, "", layer)
		if err := a.PushManifest(ctx, a.repo, m.Digest, m); err != nil {
			return err
		}
	}
	return nil
}
