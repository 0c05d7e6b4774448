package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
)

// memoryLimit is how much of the server may be resident, in bytes, whatever
// its clients do.
const memoryLimit = 128 << 20

// spareDisk is left free, in bytes.
const spareDisk = 4 << 30

// takeMemory measures the peak of a server that receives many large layers at
// once.
func takeMemory(ctx context.Context, s *stage) error {
	layer, note, err := s.fitDisk()
	if err != nil {
		return err
	}
	ours, err := s.ours(ctx)
	if err != nil {
		return err
	}
	before, err := ours.PeakMemory()
	if errors.Is(err, machine.ErrUnknown) {
		s.say("memory: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	blob := client.NewMaker().Blob(layer) // the same for all: to make it takes as long as to send it
	err = atOnce(s.memoryClients, s.memoryClients, func(i int) error {
		return ours.StreamBlob(ctx, repo(fmt.Sprintf("memory-%d", i)), blob)
	})
	if err != nil {
		return err
	}
	peak, err := ours.PeakMemory()
	if err != nil {
		return err
	}
	row := limited(fmt.Sprintf("memory, %d pushes of %d MiB", s.memoryClients, layer>>20), report.Bytes, float64(peak), memoryLimit)
	row.Note = fmt.Sprintf("%d MiB before the first push%s", before>>20, note)
	return s.add(row)
}

// fitDisk returns how large the layers may be, and a note if that is less than
// what was asked for.
func (s *stage) fitDisk() (layer int64, note string, err error) {
	free, err := machine.FreeDisk(s.dir)
	if errors.Is(err, machine.ErrUnknown) {
		return s.memoryLayer, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	fits := (free - spareDisk) / int64(s.memoryClients)
	switch {
	case fits >= s.memoryLayer:
		return s.memoryLayer, "", nil
	case fits < 1<<20:
		return 0, "", fmt.Errorf("only %d MiB of disk are free", free>>20)
	}
	return fits, fmt.Sprintf("; the disk holds no layers of %d MiB", s.memoryLayer>>20), nil
}
