package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// takeProxy measures the peak of berth proxy while somebody else's client pushes
// large layers through it, several at once, and what CPU time that costs it.
func takeProxy(ctx context.Context, s *stage) error {
	h, err := s.newHarbour(ctx, nil)
	if err != nil {
		return err
	}
	proxy, err := s.keep(target.Proxy(ctx, s.berth, h.cloud, s.dir))
	if err != nil {
		return err
	}
	layout := filepath.Join(s.dir, "image")
	defer os.RemoveAll(layout)
	im := newImageOf(h.maker, largeLayers, s.transferLayer)
	if err := client.WriteLayout(layout, im.tagged(imageManifest)); err != nil {
		return err
	}
	run, err := h.crane.Run(ctx, "push", layout, proxy.Host()+"/"+repo("proxy")+":"+imageManifest)
	if err != nil {
		return err
	}
	peak, err := proxy.PeakMemory()
	if errors.Is(err, machine.ErrUnknown) {
		s.say("proxy: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	spent, err := cpuTime(proxy)
	if err != nil {
		return err
	}
	size := float64(im.size())
	row := limited("memory of berth proxy", report.Bytes, float64(peak), moverLimit)
	row.Ours.CPUPerGiB = spent.Seconds() / (size / (1 << 30))
	row.Note = fmt.Sprintf("%d layers of %d MiB from crane, %.0f MiB/s",
		largeLayers, s.transferLayer>>20, size/(1<<20)/run.Elapsed.Seconds())
	return s.add(row)
}
