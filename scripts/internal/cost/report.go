package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes the table.
func (n counts) print(w io.Writer, p prices) error {
	fmt.Fprintf(w, "US dollars in %s, prices of %s, free tiers and traffic to the internet left out.\n", p.Region, p.Date)
	fmt.Fprintf(w, "An image is %d layers of %d MiB, a config and a manifest; clients send %.1f MB at a time.\n\n",
		layers, layerSize>>20, float64(door.Request)/1e6)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "one of them:\trequests\tread units\twrite units\tS3 reads\tS3 writes\tBerth\tECR\t")
	row := func(what string, n float64, b bill) {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t\n",
			what, b.gateway, b.readUnits, b.writeUnits, b.s3Reads, b.s3Writes, p.of(b.times(n)), 0.0)
	}
	row("1,000,000 manifest GETs by tag", 1e6, n.byTag)
	row("1,000,000 manifest GETs by digest", 1e6, n.byDigest)
	row("1,000,000 GETs of a config", 1e6, n.smallBlob)
	row("1,000,000 GETs of a layer", 1e6, n.blob)
	row("1,000,000 HEADs of a layer", 1e6, n.head)
	row("1,000,000 logins with a robot's key", 1e6, n.login)
	row("1,000 pushes of an image", 1e3, n.push)
	row("1,000 attached signatures", 1e3, n.attach)
	row("1,000,000 events, told one by one", 1e6, n.event)
	row("1,000 layers of 1 GiB, straight to S3", 1e3, n.direct)
	fmt.Fprintf(t, "100 GB of layers for a month\t\t\t\t\t\t%.2f\t%.2f\t\n", 100*p.S3GBMonth, 100*p.ECRGBMonth)
	if err := t.Flush(); err != nil {
		return err
	}
	if err := n.explain(w, p); err != nil {
		return err
	}
	return n.compare(w, p)
}

// explain says what a layer costs whose parts go straight to S3.
func (n counts) explain(w io.Writer, p prices) error {
	d := n.direct
	_, err := fmt.Fprintf(w, `
A layer of 1 GiB that goes straight to S3 costs $%.5f: %.0f requests of S3, nearly all of them parts, are
%.0f %% of that. A function waits some %.0f s for S3 to sum it up, which is $%.5f; the copy that S3 makes
for it is deleted at once. To keep the layer for a month costs $%.3f.
`, p.of(d), d.s3Reads+d.s3Writes, 100*p.of(bill{s3Reads: d.s3Reads, s3Writes: d.s3Writes})/p.of(d), p.waiting(d),
		p.of(bill{copied: d.copied}), directSize/1e9*p.S3GBMonth)
	return err
}

// compare says from where on which of the two is cheaper.
func (n counts) compare(w io.Writer, p prices) error {
	pull := n.pull()
	saved := p.ECRGBMonth - p.S3GBMonth
	_, err := fmt.Fprintf(w, `
A pull of the whole image is %.0f requests and costs $%.2f a million; who has no token yet adds %.0f
requests and $%.2f. Each GB stored saves $%.3f a month against ECR, which is what %.0f such pulls with
a token cost: a team that pulls more than that for each GB it stores pays less at ECR, whose requests
are free.
`, pull.invocations, p.of(pull.times(1e6)), n.login.invocations, p.of(n.login.times(1e6)), saved, saved/p.of(pull))
	return err
}

// pull is what a client does that has nothing yet.
func (n counts) pull() bill {
	var all bill
	for _, b := range []bill{n.byTag, n.smallBlob, n.blob.times(layers)} {
		all = all.plus(b)
	}
	return all
}
