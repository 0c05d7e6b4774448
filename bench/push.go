package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

const (
	imageLayers   = 8
	pushedAtOnce  = 4
	imageConfig   = 2 << 10
	imageManifest = "1.0"
)

// takePush measures the push of a new image, from the first request to the
// answer to the last.
func takePush(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	maker, repo := client.NewMaker(), repo("push")
	results, err := race(ctx, s.rounds, len(registries), func(ctx context.Context, i int) (float64, error) {
		im := newImage(maker, s.imageLayer)
		start := time.Now()
		err := im.push(ctx, registries[i], repo)
		return float64(im.size()) / time.Since(start).Seconds(), err
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("push of %d layers of %d MiB", imageLayers, s.imageLayer>>20)
	for i, rival := range registries[1:] {
		row := compared(name, report.Bandwidth, results[0], rival.Name, results[i+1])
		if rival.Name == "distribution" {
			row.Wanted.AtLeast = 1
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// An image is one that no registry has seen.
type image struct {
	config client.Blob
	layers []client.Blob
}

func newImage(maker *client.Maker, layer int64) image {
	return newImageOf(maker, imageLayers, layer)
}

func newImageOf(maker *client.Maker, layers int, layer int64) image {
	im := image{config: maker.Blob(imageConfig)}
	for range layers {
		im.layers = append(im.layers, maker.Blob(layer))
	}
	return im
}

func (im image) size() int64 {
	size := im.config.Size
	for _, l := range im.layers {
		size += l.Size
	}
	return size
}

// push pushes layers some at a time, then config and manifest, as docker does.
func (im image) push(ctx context.Context, t *target.Target, repo string) error {
	err := atOnce(pushedAtOnce, len(im.layers), func(i int) error {
		return t.StreamBlob(ctx, repo, im.layers[i])
	})
	if err != nil {
		return err
	}
	if err := t.StreamBlob(ctx, repo, im.config); err != nil {
		return err
	}
	return t.PushManifest(ctx, repo, imageManifest, client.Image(im.config, im.layers...))
}

// tagged is the image as a layout holds it.
func (im image) tagged(tag string) client.Tagged {
	return client.Tagged{
		Tag: tag, Manifest: client.Image(im.config, im.layers...),
		Blobs: append([]client.Blob{im.config}, im.layers...),
	}
}

// atOnce calls do with 0 to n-1, so many at a time, until one of them fails.
func atOnce(workers, n int, do func(i int) error) error {
	jobs := make(chan int)
	errs := make(chan error, workers)
	var running sync.WaitGroup
	for range min(workers, n) {
		running.Go(func() {
			for i := range jobs {
				if err := do(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	failed := feed(jobs, n, errs)
	close(jobs)
	running.Wait()
	close(errs)
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
}

// feed hands out jobs until there are no more or one has failed.
func feed(jobs chan<- int, n int, errs <-chan error) error {
	for i := range n {
		select {
		case jobs <- i:
		case err := <-errs:
			return err
		}
	}
	return nil
}
