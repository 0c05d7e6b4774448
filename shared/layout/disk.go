package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// full says of a disk without room what can be done. Nothing is lost by it.
func full(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("no room for %s; what has arrived is kept, so make room and do it again: %w", path, err)
	}
	return err
}

// wait locks a file, and waits for a file that somebody else writes to.
func wait(ctx context.Context, f *os.File) error {
	for {
		if ok, err := tryLock(f); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s, which somebody else writes to: %w", f.Name(), ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// openLocked opens a file, or makes it, and holds its lock. Whoever had the lock
// before may have renamed or removed the file; then there is a new one.
func openLocked(ctx context.Context, root *os.Root, name string, acquire func(context.Context, *os.File) error) (*os.File, error) {
	for {
		f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		err = acquire(ctx, f)
		same := false
		if err == nil {
			same, err = isStill(root, name, f)
		}
		if same {
			return f, nil
		}
		f.Close() // nothing was written
		if err != nil {
			return nil, err
		}
	}
}

// isStill says whether an open file is the one of that name.
func isStill(root *os.Root, name string, f *os.File) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !there.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file", f.Name())
	}
	return os.SameFile(mine, there), nil
}

// replace writes a small file so that it is there as it was, or whole. The
// caller holds a lock.
func replace(root *os.Root, name, partial string, raw []byte) error {
	f, err := root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	// A crash up to here leaves what is there, and a file that the next one writes
	// over.
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Rename(partial, name)
}
