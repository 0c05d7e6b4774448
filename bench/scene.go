package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/target"
)

// A scene is the local cloud with one image in it, and what it stands on.
type scene struct {
	binary     string            // of the local cloud
	bootstraps map[string]string // of the functions, for this machine
	db         *target.DynamoDB
	table      string
	cloud      *target.Target

	manifest client.Manifest
	path     string // of the manifest, by its digest
	pk, sk   string // of its item, which is what a GET of that path reads
}

// newScene builds all that is needed, starts it, and pushes the image.
func (s *stage) newScene(ctx context.Context) (*scene, error) {
	s.say("building functions and local cloud, and starting it; at first its services are installed")
	sc := &scene{}
	var err error
	if sc.bootstraps, err = function.Build(ctx, ".", filepath.Join(s.dir, "native"), true); err != nil {
		return nil, err
	}
	if sc.binary, err = target.BuildCloud(ctx, ".", s.dir); err != nil {
		return nil, err
	}
	if sc.db, err = target.StartDynamoDB(ctx, ".", s.dir); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, sc.db.Stop)
	sc.cloud, err = s.keep(target.Cloud(ctx, "cloud", sc.binary, filepath.Join(s.dir, "native"), sc.db, s.dir))
	if err != nil {
		return nil, err
	}
	if err := sc.findTable(ctx); err != nil {
		return nil, err
	}
	return sc, sc.push(ctx)
}

// findTable looks what the cloud has called its table.
func (sc *scene) findTable(ctx context.Context) error {
	tables, err := sc.db.Tables(ctx)
	if err != nil {
		return err
	}
	if len(tables) != 1 {
		return fmt.Errorf("find the table of the local cloud: there are %q", tables)
	}
	sc.table = tables[0]
	return nil
}

// push pushes the image. The keys of its manifest's item are those that
// shared/registry builds.
func (sc *scene) push(ctx context.Context) error {
	repo := repo("cloud")
	var err error
	sc.manifest, err = pushSmallImage(ctx, []*target.Target{sc.cloud}, repo)
	sc.path = "/v2/" + repo + "/manifests/" + sc.manifest.Digest
	sc.pk, sc.sk = "repo#"+repo, "manifest#"+sc.manifest.Digest
	return err
}

// read returns the load that reads the item from the engine, and nothing else.
func (sc *scene) read(ctx context.Context) (load.Load, error) {
	return sc.db.GetItem(ctx, sc.table, sc.pk, sc.sk)
}
