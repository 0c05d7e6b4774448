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
	contenders := []contender{func(context.Context) (float64, error) { return syncRate(s.dir, s.duration/5) }}
	var attachers []*attacher
	for _, t := range registries {
		a, err := newAttacher(ctx, t)
		if err != nil {
			return err
		}
		attachers = append(attachers, a)
		contenders = append(contenders, func(ctx context.Context) (float64, error) { return a.attach(ctx, s.attachBlock) })
	}
	if err := s.raceAttach(ctx, contenders, registries[1:]); err != nil {
		return err
	}
	for _, a := range attachers {
		if _, err := a.list().size(ctx); err != nil { // not all that was answered is there
			return err
		}
	}
	return nil
}

// A contender does something for a while and returns how often in a second.
type contender func(context.Context) (rate float64, err error)

func raceRates(ctx context.Context, rounds int, contenders []contender) ([][]float64, error) {
	return race(ctx, rounds, len(contenders), func(ctx context.Context, i int) (float64, error) { return contenders[i](ctx) })
}

// raceAttach takes the disk first, then us, then the peers.
func (s *stage) raceAttach(ctx context.Context, contenders []contender, peers []*target.Target) error {
	all, err := raceRates(ctx, s.attachedAll/s.attachBlock, contenders)
	if err != nil {
		return err
	}
	for i, peer := range peers {
		row := compared(fmt.Sprintf("attach, the first %d", s.attachedAll), report.PerSecond, all[1], peer.Name, all[i+2])
		row.Wanted.AtLeast = 1
		if err := s.add(row); err != nil {
			return err
		}
	}
	alone, err := raceRates(ctx, (s.attached-s.attachedAll)/s.attachBlock, contenders[:2])
	if err != nil {
		return err
	}
	return s.addAttached(append(all[1], alone[1]...), append(all[0], alone[0]...))
}

// addAttached reports our rates, block by block, and those of the disk at the
// time: beside what is wanted, beside the disk, and the last beside the first.
func (s *stage) addAttached(rates, disk []float64) error {
	name := fmt.Sprintf("attach, %d to one subject", s.attached)
	aim := compared(name, report.PerSecond, rates, "the aim", each(rates, func(float64) float64 { return attachRate }))
	aim.Wanted.AtLeast = 1
	if err := s.add(aim); err != nil {
		return err
	}
	bound := compared(name, report.PerSecond, rates, "the disk", disk)
	bound.Note = "the disk appends 4 KiB with an fsync; to attach is 3 requests, each durable before it is answered"
	if err := s.add(bound); err != nil {
		return err
	}
	return s.addFlat(rates, disk)
}

// addFlat compares the last tenth with the first, each as a part of what the
// disk could do then.
func (s *stage) addFlat(rates, disk []float64) error {
	tenth := max(len(rates)/10, 1)
	end := len(rates) - tenth
	row := compared(fmt.Sprintf("attach, the last %d", tenth*s.attachBlock), report.PerSecond,
		rates[end:], "the first", rates[:tenth])
	var parts []float64
	for i := range rates {
		parts = append(parts, rates[i]/disk[i])
	}
	row.Ratio = report.Of([]float64{report.Median(parts[end:]) / report.Median(parts[:tenth])})
	row.Wanted.AtLeast = attachFlat
	var steps []string
	for block := range slices.Chunk(rates, tenth) {
		steps = append(steps, fmt.Sprintf("%.0f", report.Median(block)))
	}
	row.Note = "the ratio allows for what the disk did at the time; a second, tenth by tenth: " + strings.Join(steps, " ")
	return s.add(row)
}

// withReferrers leaves out the registries that list none. Ours must.
func withReferrers(ctx context.Context, registries []*target.Target) ([]*target.Target, error) {
	repo := repo("asked")
	m, err := pushSmallImage(ctx, registries, repo)
	if err != nil {
		return nil, err
	}
	var able []*target.Target
	for i, t := range registries {
		_, err := t.Get(ctx, "/v2/"+repo+"/referrers/"+m.Digest)
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
	repo     string
	subject  client.Manifest
	maker    *client.Maker
	attached int
}

// list is that of all that was attached.
func (a *attacher) list() list {
	return list{a.Target, "/v2/" + a.repo + "/referrers/" + a.subject.Digest, a.attached}
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
		a.attached++
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
