package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/berthregistry/berth/shared/access/desk"
)

// robot are the commands about access keys.
type robot struct {
	Create robotCreate `cmd:"" help:"Make a robot, and print its password once."`
	List   robotList   `cmd:"" help:"List robots and their access keys."`
	Revoke robotRevoke `cmd:"" help:"End an access key, or all of a robot's, at once."`
	Rotate robotRotate `cmd:"" help:"Give a robot a new access key; the old one still works for a while."`
}

// Help is what berth robot --help says beneath the commands.
func (robot) Help() string {
	return `A robot is something that logs in by itself: a build, a cluster, a scanner. What
it may do is said by the policy, which knows it by its name (robot:NAME) and its
groups (group:NAME). It logs in with an access key, of which it may have several.`
}

// anywhere is where robots are found: wherever there is a desk.
type anywhere struct {
	atRegistry
	atTable
	atData
}

func (a anywhere) open(ctx context.Context, t terminal) (*office, error) {
	switch {
	case a.Table != "":
		return openTable(ctx, a.Table, t)
	case a.Data != "":
		return openFolder(a.Data, t)
	}
	return openOffice(a.Registry)
}

// visit opens an office, does something there and closes it.
func visit(open func(context.Context, terminal) (*office, error), t terminal, do func(context.Context, *office) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := open(ctx, t)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, o), o.close())
}

const robotsPath = "/_berth/robots"

type robotCreate struct {
	Name    string   `arg:"" help:"What the policy calls it."`
	Group   []string `placeholder:"NAME" help:"A group that it is in; may be given several times."`
	Expires string   `default:"365d" help:"When its access key ends: a number of days (90d) or hours (12h), a date (2027-01-31), or never."`
	JSON    bool     `name:"json" help:"Print JSON."`
	anywhere
}

// Run makes a robot.
func (c *robotCreate) Run(t terminal) error {
	expires, err := parseExpiry(c.Expires, time.Now())
	if err != nil {
		return fmt.Errorf("--expires: %w", err)
	}
	m, err := asking(http.MethodPost, robotsPath, desk.NewRobot{Name: c.Name, Groups: c.Group, Expires: expires})
	if err != nil {
		return err
	}
	return visit(c.open, t, func(ctx context.Context, o *office) error { return o.makeKey(ctx, m, t, c.JSON, "") })
}

// makeKey has an access key made and prints it. Nothing else ever has the
// password, so it is printed even if that is the last thing that works.
func (o *office) makeKey(ctx context.Context, m message, t terminal, asJSON bool, note string) error {
	var made desk.Robot
	if err := o.ask(ctx, m, &made); err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(t.out).Encode(made)
	}
	until := "does not expire"
	if !made.Expires.IsZero() {
		until = "expires on " + day(made.Expires)
	}
	_, err := fmt.Fprintf(t.out, "A new access key of %s, which %s:\n\n  user      %s\n  password  %s\n\n"+
		"The password is not shown again. Log in with docker login, or berth login.\n%s",
		clean(made.Name), until, clean(made.ID), clean(made.Secret), note)
	return err
}

// maxLife keeps a slip of the finger from being a key for ever.
const maxLife = 100 * 365

// parseExpiry reads when something ends. The zero time is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "never" {
		return time.Time{}, nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		if !at.After(now) {
			return at, fmt.Errorf("%s is past", text)
		}
		return at, nil
	}
	d, err := parseSpan(text)
	if err != nil || d == 0 {
		return time.Time{}, fmt.Errorf("%q is not a number of days (90d) or hours (12h), a date (2027-01-31), or never", text)
	}
	return now.Add(d), nil
}

// parseSpan reads a number of days or hours.
func parseSpan(text string) (time.Duration, error) {
	unit := 24 * time.Hour
	number, days := strings.CutSuffix(text, "d")
	if !days {
		unit = time.Hour
		var hours bool
		if number, hours = strings.CutSuffix(text, "h"); !hours {
			return 0, fmt.Errorf("%q is not a number of days (90d) or hours (12h)", text)
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || time.Duration(n) > maxLife*24*time.Hour/unit {
		return 0, fmt.Errorf("%q is not a number of days (90d) or hours (12h)", text)
	}
	return time.Duration(n) * unit, nil
}

func day(t time.Time) string { return t.Local().Format(time.DateOnly) }

type robotList struct {
	JSON bool `name:"json" help:"Print JSON."`
	anywhere
}

// Run lists the robots.
func (c *robotList) Run(t terminal) error {
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		var all desk.Robots
		if err := o.ask(ctx, message{method: http.MethodGet, path: robotsPath}, &all); err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(all)
		}
		table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tACCESS KEY\tGROUPS\tCREATED\tEXPIRES\tLAST USED")
		for _, r := range all.Robots {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", clean(r.Name), clean(r.ID), clean(strings.Join(r.Groups, ",")),
				day(r.Created), dayOr(r.Expires, "never"), dayOr(r.Used, "never"))
		}
		return table.Flush()
	})
}

func dayOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return day(t)
}

type robotRevoke struct {
	Robot string `arg:"" help:"The robot's name, or the id of one access key."`
	anywhere
}

// Run revokes a robot.
func (c *robotRevoke) Run(t terminal) error {
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		var gone desk.Revoked
		path := robotsPath + "?" + url.Values{"robot": {c.Robot}}.Encode()
		if err := o.ask(ctx, message{method: http.MethodDelete, path: path}, &gone); err != nil {
			return err
		}
		for _, id := range gone.Revoked {
			fmt.Fprintf(t.out, "%s is revoked\n", clean(id))
		}
		return nil
	})
}

type robotRotate struct {
	Name    string `arg:"" help:"The robot's name."`
	Overlap string `default:"1d" help:"How long the old access key still works: days (7d) or hours (12h)."`
	JSON    bool   `name:"json" help:"Print JSON."`
	anywhere
}

// Run rotates a robot's key.
func (c *robotRotate) Run(t terminal) error {
	overlap, err := parseSpan(c.Overlap)
	if err != nil {
		return fmt.Errorf("--overlap: %w", err)
	}
	m, err := asking(http.MethodPost, robotsPath+"/rotate", desk.Rotation{Name: c.Name, Overlap: int64(overlap.Seconds())})
	if err != nil {
		return err
	}
	note := "The old access key works until then: " + time.Now().Add(overlap).Local().Format(time.DateTime) + "\n"
	return visit(c.open, t, func(ctx context.Context, o *office) error { return o.makeKey(ctx, m, t, c.JSON, note) })
}
