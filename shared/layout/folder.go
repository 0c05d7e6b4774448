package layout

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// folder is the tree of a folder. Links that lead out of it are not followed: a
// folder that somebody sent would else have any file of this machine pushed as
// if it were a layer.
type folder struct{ root *os.Root }

func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &folder{root: root}, nil
}

func (f *folder) open(_ context.Context, name string) (*file, error) {
	// Looked at before it is opened: opening a pipe waits for its other end.
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, f.explain(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	opened, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{ReaderAt: opened, Closer: opened, size: info.Size()}, nil
}

// explain says more of a link that was not followed. Build tools make layouts of
// links into their caches.
func (f *folder) explain(name string, err error) error {
	info, lost := f.root.Lstat(name)
	if lost == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a link which is not followed, since it leads out of the folder or nowhere"+
			" (cp -RL copies a folder with what its links lead to): %w", name, err)
	}
	return err
}

func (f *folder) Close() error { return f.root.Close() }
