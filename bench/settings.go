package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// settings are what a run is asked for.
type settings struct {
	figures []figure
	smoke   bool
	json    bool
	berth   string // binary to measure instead of one built from the checkout
	peers   []peer
	without bool // distribution
	scale
}

// A peer is a registry that runs already.
type peer struct{ name, url string }

// scale is how much is done for the figures.
type scale struct {
	rounds   int           // of everything that is done in turn
	duration time.Duration // of one load

	connections []int // for manifests
	largeBlob   int64
	imageLayer  int64 // of the 8 of a pushed image

	attached    int // to one subject of ours
	attachedAll int // to one subject of each registry
	attachBlock int // in turn

	referrers    int // on one subject of ours
	referrersAll int // on one subject of each registry
	tags         int
	sharing      int // tags whose images have a layer in common

	memoryLayer   int64
	memoryClients int

	transferLayer  int64 // of images that commands move
	transferRounds int
	present        int // images that are pushed though they are there

	roundTrips   []time.Duration // that lines add, to copies over them
	savingRounds int

	announced      int // artifacts that are attached in a round
	announceRounds int

	starts           int   // of each function
	cloudConnections []int // to the local cloud
}

func fullScale() scale {
	return scale{
		rounds: 9, duration: time.Second / 2,
		connections: []int{1, 8, 64}, largeBlob: 256 << 20, imageLayer: 16 << 20,
		attached: 10_000, attachedAll: 2_000, attachBlock: 250,
		referrers: 10_000, referrersAll: 2_000, tags: 100_000, sharing: 1_000,
		memoryLayer: 1 << 30, memoryClients: 16,
		transferLayer: 1 << 30, transferRounds: 3, present: 200,
		roundTrips: []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond}, savingRounds: 3,
		announced: 300, announceRounds: 3,
		starts: 60, cloudConnections: []int{1, 16},
	}
}

func smokeScale() scale {
	return scale{
		rounds: 1, duration: 200 * time.Millisecond,
		connections: []int{1, 8, 64}, largeBlob: 8 << 20, imageLayer: 1 << 20,
		attached: 80, attachedAll: 40, attachBlock: 10,
		referrers: 200, referrersAll: 100, tags: 1_000, sharing: 20,
		memoryLayer: 8 << 20, memoryClients: 16,
		transferLayer: 24 << 20, transferRounds: 1, present: 10,
		roundTrips: []time.Duration{0, 20 * time.Millisecond}, savingRounds: 1,
		announced: 100, announceRounds: 1,
		starts: 2, cloudConnections: []int{1, 16},
	}
}

const usage = `scripts/bench [OPTIONS] [FIGURE...]: measures Berth beside other registries.

Every figure is a ratio, taken in one run on this machine: the servers are
loaded in turn, round after round, and the ratio is the median of the rounds.
Low and high say how noisy they were. Without names all figures are taken:

%s
The peers are a bare net/http server, distribution, which the Go command
installs into .cache at first, and any registry that runs already:

  scripts/bench --peer zot=http://127.0.0.1:5001 push attach

What is pushed there stays there. Exit status: 0 if all is as wanted, 1 if some
figure falls short, 2 if something does not work.

Options:
`

// parse reads the command line.
func parse(args []string, out io.Writer) (settings, error) {
	s := settings{scale: fullScale()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintf(out, usage, aboutFigures())
		flags.PrintDefaults()
	}
	flags.BoolVar(&s.smoke, "smoke", false, "everything small and short; fails only if something does not work")
	flags.BoolVar(&s.json, "json", false, "print the report as JSON")
	flags.StringVar(&s.berth, "berth", "", "measure this `binary` instead of building cmd/berth")
	flags.BoolVar(&s.without, "without-distribution", false, "do not install and measure distribution")
	flags.Func("peer", "measure the registry at this `name=url` as well; may be given again", func(v string) error {
		name, url, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return fmt.Errorf("want name=url")
		}
		s.peers = append(s.peers, peer{name, url})
		return nil
	})
	rounds := flags.Int("rounds", 0, "`number` of rounds")
	layer := flags.Int64("memory-layer", 0, "`MiB` of each layer that the memory figure pushes")
	names, err := parseAnywhere(flags, args)
	if err != nil {
		return s, err
	}
	if s.smoke {
		s.scale = smokeScale()
	}
	if *rounds > 0 {
		s.rounds, s.transferRounds, s.savingRounds, s.announceRounds = *rounds, *rounds, *rounds, *rounds
	}
	if *layer > 0 {
		s.memoryLayer = *layer << 20
	}
	s.figures, err = choose(names)
	return s, err
}

// parseAnywhere takes options before, between and behind the names.
func parseAnywhere(flags *flag.FlagSet, args []string) (names []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return names, nil
		}
		names = append(names, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// choose returns the figures of these names, or all if there are none.
func choose(names []string) ([]figure, error) {
	all := allFigures()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []figure
	for _, name := range names {
		i := slices.IndexFunc(all, func(f figure) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no figure is called %q; there are:\n%s", name, aboutFigures())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func aboutFigures() string {
	var b strings.Builder
	for _, f := range allFigures() {
		fmt.Fprintf(&b, "  %-10s %s\n", f.name, f.about)
	}
	return b.String()
}
