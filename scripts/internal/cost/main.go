// Command cost says what Berth costs on AWS, beside Amazon's own registry. It
// counts: it sends requests through the real handler to a metered table and a
// metered S3 client, and multiplies with the prices of a file. What it cannot
// count, such as how long a function waits for S3, that file assumes.
// scripts/cost runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/wire"
)

func main() {
	file := flag.String("prices", "scripts/prices.yaml", "price file")
	flag.Parse()
	if err := run(context.Background(), *file); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	p, err := readPrices(file)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "berth-cost-")
	if err != nil {
		return fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	items, err := local.Open(filepath.Join(scratch, "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer items.Close()
	var m meter
	store, err := openStore(&m)
	if err != nil {
		return err
	}
	reg := registry.New(meteredTable{items, &m}, store, registry.Options{})
	c := client{meter: &m, handler: distribution.New(reg, distribution.Options{Door: door})}
	counted, err := c.count(ctx)
	if err != nil {
		return err
	}
	if counted.login, err = countLogin(ctx, meteredTable{items, &m}, scratch); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if counted.direct, err = countDirect(ctx, &m, meteredTable{items, &m}, store, directSize); err != nil {
		return err
	}
	if counted.event, err = countEvent(ctx, meteredTable{items, &m}); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return counted.print(os.Stdout, p)
}

// door is the HTTP API, as wire describes it.
var door = distribution.Door{Inline: wire.DefaultInlineLimit, Headless: true, Request: wire.DefaultRequestLimit}
