package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Helper is what Docker's configuration calls docker-credential-berth.
const Helper = "berth"

// UseHelper has Docker's tools ask docker-credential-berth for the credentials
// of a registry: they read config.json in this folder. All else in the file
// stays as it is. Whoever reads it meanwhile sees the old file or the new one.
func UseHelper(folder, host string) error {
	path := filepath.Join(folder, "config.json")
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to // a link into somebody's dotfiles is to stay one
	}
	config, err := readConfig(path)
	if err != nil {
		return err
	}
	helpers := map[string]json.RawMessage{}
	if raw, ok := config["credHelpers"]; ok {
		if err := json.Unmarshal(raw, &helpers); err != nil {
			return fmt.Errorf("%s: credHelpers: %w", path, err)
		}
	}
	if helpers == nil { // it was null
		helpers = map[string]json.RawMessage{}
	}
	if helpers[host], err = json.Marshal(Helper); err != nil {
		return fmt.Errorf("write Docker's configuration: %w", err)
	}
	if config["credHelpers"], err = json.Marshal(helpers); err != nil {
		return fmt.Errorf("write Docker's configuration: %w", err)
	}
	text, err := json.MarshalIndent(config, "", "\t") // as Docker does
	if err != nil {
		return fmt.Errorf("write Docker's configuration: %w", err)
	}
	if err := replace(path, append(text, '\n')); err != nil {
		return fmt.Errorf("write Docker's configuration: %w", err)
	}
	return nil
}

// readConfig leaves values as they are written.
func readConfig(path string) (map[string]json.RawMessage, error) {
	config := map[string]json.RawMessage{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return config, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Docker's configuration: %w", err)
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read Docker's configuration: %s: %w", path, err)
	}
	if config == nil { // it was null
		config = map[string]json.RawMessage{}
	}
	return config, nil
}

// replace puts a file in the place of another, with the other's permissions.
// Docker's file may have passwords in it, so a new one is its owner's alone.
//
// A crash before the rename leaves the old file, and a temporary one beside it
// that nobody reads.
func replace(path string, text []byte) error {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	beside, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = beside.Write(text)
	err = errors.Join(err, beside.Chmod(mode), beside.Sync(), beside.Close())
	if err == nil {
		err = os.Rename(beside.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(beside.Name()))
	}
	return nil
}

// Folder returns where Docker's configuration is, by its own rules.
func Folder(getenv func(string) string) (string, error) {
	if folder := getenv("DOCKER_CONFIG"); folder != "" {
		return folder, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find Docker's configuration: %w", err)
	}
	return filepath.Join(home, ".docker"), nil
}
