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
	path     string    // of the manifest, by its digest
	item     load.Load // reads the item of the manifest, which is what a GET by digest reads
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
	s.started = append(s.started, sc.db.Target)
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

// push pushes the image, and finds the item of its manifest by the key that
// shared/registry gives it.
func (sc *scene) push(ctx context.Context) error {
	repo := repo("cloud")
	var err error
	if sc.manifest, err = pushSmallImage(ctx, []*target.Target{sc.cloud}, repo); err != nil {
		return err
	}
	sc.path = "/v2/" + repo + "/manifests/" + sc.manifest.Digest
	sc.item, err = sc.db.GetItem(ctx, sc.table, "repo#"+repo, "manifest#"+sc.manifest.Digest)
	return err
}
