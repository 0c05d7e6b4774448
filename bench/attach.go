package main

import (
	"context"
	"fmt"
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
// the other, to one subject: in turn with the peers and the disk, then with the
// disk only, and at the end in turn with itself on a subject that is new.
func takeAttach(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	if registries, err = withReferrers(ctx, registries); err != nil {
		return err
	}
	attachers := make([]*attacher, len(registries))
	for i, t := range registries {
		if attachers[i], err = newAttacher(ctx, t); err != nil {
			return err
		}
	}
	if err := s.raceAttach(ctx, attachers); err != nil {
		return err
	}
	for _, a := range attachers {
		if _, err := a.list().size(ctx); err != nil { // not all that was answered is there
			return err
		}
	}
	return nil
}

// raceAttach reports the rates of the first attacher, which is ours, block by
// block.
func (s *stage) raceAttach(ctx context.Context, attachers []*attacher) error {
	contenders := []contender{func(context.Context) (float64, error) { return syncRate(s.dir, s.duration/5) }}
	for _, a := range attachers {
		contenders = append(contenders, s.attaching(a))
	}
	all, err := raceRates(ctx, s.attachedAll/s.attachBlock, contenders...)
	if err != nil {
		return err
	}
	for i, peer := range attachers[1:] {
		row := compared(fmt.Sprintf("attach, the first %d", s.attachedAll), report.PerSecond, all[1], peer.Name, all[i+2])
		row.Wanted.AtLeast = 1
		if err := s.add(row); err != nil {
			return err
		}
	}
	last := max(s.attached/s.attachBlock/10, 1)
	alone, err := raceRates(ctx, (s.attached-s.attachedAll)/s.attachBlock-last, contenders[:2]...)
	if err != nil {
		return err
	}
	if err := s.addAttached(append(all[1], alone[1]...), append(all[0], alone[0]...)); err != nil {
		return err
	}
	return s.addFlat(ctx, attachers[0], last)
}

// A contender does something for a while and returns how often in a second.
type contender func(context.Context) (rate float64, err error)

func (s *stage) attaching(a *attacher) contender {
	return func(ctx context.Context) (float64, error) { return a.attach(ctx, s.attachBlock) }
}

func raceRates(ctx context.Context, rounds int, contenders ...contender) ([][]float64, error) {
	return race(ctx, rounds, len(contenders), func(ctx context.Context, i int) (float64, error) { return contenders[i](ctx) })
}

// addAttached reports our rates beside what is wanted, and beside the disk at
// the time.
func (s *stage) addAttached(rates, disk []float64) error {
	name := fmt.Sprintf("attach, %d to one subject", s.attached)
	aim := compared(name, report.PerSecond, rates, "the aim", each(rates, func(float64) float64 { return attachRate }))
	aim.Wanted.AtLeast = 1
	if err := s.add(aim); err != nil {
		return err
	}
	bound := compared(name, report.PerSecond, rates, "the disk", disk)
	bound.Note = "the disk appends 4 KiB with an fsync; to attach is 3 requests, each durable before it is answered"
	return s.add(bound)
}

// addFlat reports the rate on a subject that has thousands beside that on a
// new one.
func (s *stage) addFlat(ctx context.Context, a *attacher, rounds int) error {
	fresh, err := newAttacher(ctx, a.Target)
	if err != nil {
		return err
	}
	rates, err := raceRates(ctx, rounds, s.attaching(a), s.attaching(fresh))
	if err != nil {
		return err
	}
	row := compared(fmt.Sprintf("attach, the last %d", rounds*s.attachBlock), report.PerSecond, rates[0], "to another", rates[1])
	row.Wanted.AtLeast = attachFlat
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
		if _, err := a.attachOne(ctx); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// attachOne attaches one and returns its digest.
func (a *attacher) attachOne(ctx context.Context) (digest string, err error) {
	layer := a.maker.Blob(512)
	if err := a.PushBlob(ctx, a.repo, layer); err != nil {
		return "", err
	}
	m := client.Artifact(a.subject, signatureType, "", layer)
	if err := a.PushManifest(ctx, a.repo, m.Digest, m); err != nil {
		return "", err
	}
	a.attached++
	return m.Digest, nil
}
