package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Notes are the registries for which credentials are made, in a file beside
// Docker's:
//
//	{"registries": {"registry.example.com": {"source": "aws", "audience": "registry.example.com"}}}
//
// Nothing is made for a registry that is not in it: a token that says who this
// machine is would be good for whoever it is handed to by mistake. There is no
// secret in the file.
type Notes struct{ path string }

type notes struct {
	Registries map[string]Source `json:"registries"`
}

// NotesIn returns the notes in Docker's folder.
func NotesIn(folder string) Notes { return Notes{filepath.Join(folder, "berth.json")} }

// ErrUnknown is returned for a registry that there is no note about.
var ErrUnknown = errors.New("no note about this registry")

// Source returns where the credentials for a registry come from. The registry
// is a host, or a URL as Docker's tools give it. Errors: ErrUnknown.
func (n Notes) Source(registry string) (Source, error) {
	all, err := n.read()
	if err != nil {
		return Source{}, err
	}
	s, ok := all.Registries[HostOf(registry)]
	if !ok {
		return s, ErrUnknown
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("%s: %s: %w", n.path, HostOf(registry), err)
	}
	return s, nil
}

// Registries returns the sources of all registries, by host.
func (n Notes) Registries() (map[string]Source, error) {
	all, err := n.read()
	return all.Registries, err
}

// Put notes where the credentials for a registry come from.
func (n Notes) Put(registry string, s Source) error {
	all, err := n.read()
	if err != nil {
		return err
	}
	all.Registries[HostOf(registry)] = s
	return n.write(all)
}

// Delete forgets a registry, whether or not it is known.
func (n Notes) Delete(registry string) error {
	all, err := n.read()
	if err != nil {
		return err
	}
	if _, ok := all.Registries[HostOf(registry)]; !ok {
		return nil
	}
	delete(all.Registries, HostOf(registry))
	return n.write(all)
}

func (n Notes) read() (notes, error) {
	all := notes{Registries: map[string]Source{}}
	text, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, fmt.Errorf("read the notes: %w", err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return all, fmt.Errorf("read the notes: %s: %w", n.path, err)
	}
	if all.Registries == nil {
		all.Registries = map[string]Source{}
	}
	return all, nil
}

func (n Notes) write(all notes) error {
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return fmt.Errorf("write the notes: %w", err)
	}
	if err := replace(n.path, append(text, '\n')); err != nil {
		return fmt.Errorf("write the notes: %w", err)
	}
	return nil
}

// HostOf returns the host of a registry, with its port if it has one, from what
// Docker's tools call it: a host, or a URL with a path.
func HostOf(registry string) string {
	if _, rest, ok := strings.Cut(registry, "://"); ok {
		registry = rest
	}
	host, _, _ := strings.Cut(registry, "/")
	return strings.ToLower(host)
}
