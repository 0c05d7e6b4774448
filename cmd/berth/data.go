package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/blobs"
	blobfiles "github.com/berthregistry/berth/shared/blobs/local"
	tablefile "github.com/berthregistry/berth/shared/table/local"
)

// data is the folder that holds a registry:
//
//	<folder>/table.db     all items, in one file that one process may hold
//	<folder>/blobs/       the bytes
//	<folder>/keys.json    what signs tokens, its owner's alone
//	<folder>/holder.json  who holds the table, while somebody does
type data struct {
	folder string
	table  *tablefile.Store
	blobs  *blobfiles.Store
	events *announce.Log // of the last day
}

// tableFile is the name of the table, by which a data folder is known.
const tableFile = "table.db"

// keys is the path of the file with the signing keys.
func (d *data) keys() string { return filepath.Join(d.folder, "keys.json") }

// openData opens a folder, and makes it if need be. The error about a folder
// that another process has says which one that is.
func openData(folder string, log *slog.Logger) (*data, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	t, err := tablefile.Open(filepath.Join(folder, tableFile), log)
	if errors.Is(err, tablefile.ErrHeld) {
		return nil, held(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	d := &data{folder: folder, table: t, events: announce.NewLog(t, time.Now)}
	// The lock on the table is ours. What a holder before us left behind when
	// it was killed would be a lie from here on.
	if err := d.unsign(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if d.blobs, err = blobfiles.Open(filepath.Join(folder, "blobs")); err != nil {
		return nil, errors.Join(fmt.Errorf("open the data folder: %w", err), t.Close())
	}
	return d, nil
}

// close is for the end of the process: an error is only logged, since what was
// answered is durable without it.
func (d *data) close(log *slog.Logger) {
	if err := errors.Join(d.unsign(), d.table.Close()); err != nil {
		log.Error("close the data folder", "error", err)
	}
}

// A holder is what a process that holds a folder notes about itself for those
// who come second. The lock on the table is what keeps them out; the note is
// only read when the lock is taken.
type holder struct {
	PID   int       `json:"pid"`
	URL   string    `json:"url"`
	Since time.Time `json:"since"`
}

func holderFile(folder string) string { return filepath.Join(folder, "holder.json") }

func (d *data) sign(url string) error {
	note, err := json.Marshal(holder{PID: os.Getpid(), URL: url, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return os.WriteFile(holderFile(d.folder), append(note, '\n'), 0o600)
}

func (d *data) unsign() error {
	if err := os.Remove(holderFile(d.folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// held makes the error about a folder that another process has.
func held(folder string) error {
	var h holder
	note, err := os.ReadFile(holderFile(folder))
	if err != nil || json.Unmarshal(note, &h) != nil {
		return fmt.Errorf("%s is held by another process; choose another folder with --data", folder)
	}
	return fmt.Errorf("%s is held by process %d, which serves %s since %s; stop it, or choose another folder with --data",
		folder, h.PID, h.URL, h.Since.Local().Format(time.DateTime))
}

// sweepHourly removes what abandoned uploads have left among the blobs, until
// ctx ends. The table's part of an upload expires by itself.
func (d *data) sweepHourly(ctx context.Context, log *slog.Logger) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		removed, err := d.blobs.Sweep(ctx, time.Now().Add(-blobs.UploadLife))
		if err != nil && ctx.Err() == nil {
			log.Error("sweep abandoned uploads", "error", err)
		}
		if removed > 0 {
			log.Info("swept abandoned uploads", "removed", removed)
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
		}
	}
}
