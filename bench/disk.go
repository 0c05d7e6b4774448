package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// syncRate is how often in a second the disk of a folder takes 4 KiB more at
// the end of a file and says that they are there to stay. It bounds whatever
// is durable before it is answered.
func syncRate(dir string, during time.Duration) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("try the disk: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4<<10)
	n, start := 0, time.Now()
	for ; time.Since(start) < during; n++ {
		if _, err := f.Write(page); err != nil {
			return 0, fmt.Errorf("try the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("try the disk: %w", err)
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
