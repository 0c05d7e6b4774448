package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"
)

// A place says how far a mapping has come in a shard. Zero is its beginning.
type place struct {
	After string    `json:"after,omitempty"` // the last sequence number that it is done with
	Since time.Time `json:"since,omitzero"`  // what is older is none of its business
	Done  bool      `json:"done,omitempty"`  // it has come to the end of the shard
}

// checkpoints is the file that keeps the places.
type checkpoints struct {
	Stream string           `json:"stream"`
	Shards map[string]place `json:"shards"` // nil: the mapping has not begun
}

// load reads the places that an earlier mapping left. Those of another stream
// are worth nothing.
func (m *Mapping) load() error {
	if m.Checkpoints == "" {
		return nil
	}
	b, err := os.ReadFile(m.Checkpoints)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load checkpoints: %w", err)
	}
	var c checkpoints
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("load checkpoints from %s: %w", m.Checkpoints, err)
	}
	if c.Stream == m.Stream {
		m.saved = c
	}
	return nil
}

// savedPlace is the place that was noted last in a shard.
func (m *Mapping) savedPlace(shard string) place {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved.Shards[shard]
}

// checkpoint notes that the mapping is done with everything up to a sequence
// number, and with the shard if so. A crash before this has it delivered again.
func (m *Mapping) checkpoint(ctx context.Context, sh *shard, after string, atEnd bool) {
	sh.place.After, sh.place.Done = after, atEnd
	if after != "" {
		sh.place.Since = time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved.Shards[sh.id] = sh.place
	if err := m.write(); err != nil {
		m.Log.ErrorContext(ctx, "save checkpoint", "err", err)
	}
}

// save notes which shards there are, and the places of new ones.
func (m *Mapping) save(shards map[string]*shard) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	saved := make(map[string]place, len(shards))
	for id, sh := range shards {
		if at, known := m.saved.Shards[id]; known {
			saved[id] = at // sh.place may be changing right now
		} else {
			saved[id] = sh.place
		}
	}
	if m.saved.Shards != nil && maps.Equal(saved, m.saved.Shards) {
		return nil
	}
	m.saved = checkpoints{Stream: m.Stream, Shards: saved}
	return m.write()
}

// write replaces the file. m.mu is held.
func (m *Mapping) write() error {
	if m.Checkpoints == "" {
		return nil
	}
	b, err := json.Marshal(m.saved)
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	if err := os.WriteFile(m.Checkpoints+".new", b, 0o600); err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	// A crash here leaves the old ones, and a file that the next write replaces.
	if err := os.Rename(m.Checkpoints+".new", m.Checkpoints); err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	return nil
}
