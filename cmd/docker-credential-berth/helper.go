package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// The errors that Docker's tools know by their text.
var (
	errNotFound = errors.New("credentials not found in native keychain")
	errNoServer = errors.New("no credentials server URL")
)

// maxInput is the most that is read of what a tool sends, in bytes.
const maxInput = 64 << 10

// A helper does what Docker's tools ask of it. The protocol is a word as the
// only argument, input and output, and errors on the output too.
type helper struct {
	in      io.Reader
	out     io.Writer
	folder  func() (string, error) // of Docker's configuration
	machine workload.Machine
}

// run returns the exit status.
func (h helper) run(ctx context.Context, args []string) int {
	if err := h.do(ctx, args); err != nil {
		fmt.Fprintln(h.out, err)
		return 1
	}
	return 0
}

func (h helper) do(ctx context.Context, args []string) error {
	actions := map[string]func(context.Context) error{
		"get": h.get, "store": h.store, "erase": h.erase, "list": h.list, "version": h.version,
	}
	if len(args) != 1 {
		return fmt.Errorf("usage: docker-credential-berth <%s>", strings.Join(slices.Sorted(maps.Keys(actions)), "|"))
	}
	action, ok := actions[strings.TrimPrefix(args[0], "--")]
	if !ok {
		return fmt.Errorf("unknown credential action %q", args[0])
	}
	return action(ctx)
}

// get makes credentials. A registry that berth login was not told of has none.
func (h helper) get(ctx context.Context) error {
	server, err := h.server()
	if err != nil {
		return err
	}
	notes, err := h.notes()
	if err != nil {
		return err
	}
	source, err := notes.Source(server)
	if errors.Is(err, workload.ErrUnknown) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	made, err := h.machine.Credentials(ctx, source)
	if err != nil {
		return err
	}
	return json.NewEncoder(h.out).Encode(struct{ ServerURL, Username, Secret string }{server, made.User, made.Secret})
}

// store is what docker login does with a password. There is nowhere to keep
// one: a password of its own for this registry would never be used.
func (h helper) store(context.Context) error {
	var sent struct{ ServerURL string }
	if err := json.NewDecoder(io.LimitReader(h.in, maxInput)).Decode(&sent); err != nil || sent.ServerURL == "" {
		return errNoServer
	}
	host := workload.HostOf(sent.ServerURL)
	return fmt.Errorf("credentials for %s are made when they are needed and cannot be stored; "+
		"take %s out of credHelpers in Docker's config.json to log in with a password", host, host)
}

// erase is docker logout: from here on there are none for the registry.
func (h helper) erase(context.Context) error {
	server, err := h.server()
	if err != nil {
		return err
	}
	notes, err := h.notes()
	if err != nil {
		return err
	}
	return notes.Delete(server)
}

// list answers with a user for each registry, without making credentials.
func (h helper) list(context.Context) error {
	notes, err := h.notes()
	if err != nil {
		return err
	}
	sources, err := notes.Registries()
	if err != nil {
		return err
	}
	users := map[string]string{}
	for host, source := range sources {
		users[host] = source.User()
	}
	return json.NewEncoder(h.out).Encode(users)
}

func (h helper) version(context.Context) error {
	release := "of an unknown build"
	if info, ok := debug.ReadBuildInfo(); ok {
		release = info.Main.Version
	}
	_, err := fmt.Fprintf(h.out, "docker-credential-berth (%s) %s\n", "github.com/berthregistry/berth", release)
	return err
}

// server reads the registry, which comes as a host or as a URL.
func (h helper) server() (string, error) {
	raw, err := io.ReadAll(io.LimitReader(h.in, maxInput))
	if err != nil {
		return "", fmt.Errorf("read the server URL: %w", err)
	}
	server := strings.TrimSpace(string(raw))
	if server == "" {
		return "", errNoServer
	}
	return server, nil
}

func (h helper) notes() (workload.Notes, error) {
	folder, err := h.folder()
	if err != nil {
		return workload.Notes{}, err
	}
	return workload.NotesIn(folder), nil
}
