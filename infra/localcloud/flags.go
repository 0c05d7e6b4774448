package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

type flags struct {
	Template  string            `default:"template.yaml" placeholder:"FILE" help:"The template that says what runs."`
	Parameter map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A parameter of the template. AWS::StackName can be given as well."`

	Environment map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A variable that every function finds, over what the template says."`
	EventRetry  time.Duration     `default:"1m" help:"Pause before an event is tried again that nobody waits for and a function failed at; twice as much before the next time."`
	Shards      int               `default:"1" help:"How many shards the streams of tables have: with several, changes of different items overtake each other."`

	Policy string `placeholder:"FILE" type:"existingfile" help:"Who may do what, put into the table at the start. Then Access is policy."`

	Unguarded bool `help:"Put no guards before the stores: functions may do all in them, and no fault strikes there. For figures of who uses S3: on AWS nobody waits for a guard that is not S3 itself."`

	Listen  string `default:"127.0.0.1:0" help:"Address of the registry."`
	Control string `default:"127.0.0.1:0" help:"Address of the control endpoint; on loopback only."`
	Quiet   bool   `help:"Leave out what functions and gateway log."`

	Data       string `placeholder:"DIR" help:"Folder for all files; a temporary one without it."`
	Bootstraps string `placeholder:"DIR" help:"Folder with each function's bootstrap, built already, as scripts/build --native leaves it."`

	DynamoDB    string `name:"dynamodb" placeholder:"URL" help:"A DynamoDB that runs already; otherwise one is started."`
	S3          string `name:"s3" placeholder:"URL" help:"An S3 that runs already; otherwise one is started."`
	S3AccessKey string `name:"s3-access-key" placeholder:"KEY" help:"Access key of the S3 that runs already."`
	S3SecretKey string `name:"s3-secret-key" placeholder:"KEY" help:"Secret key of the S3 that runs already."`

	Deviate []string `sep:"none" placeholder:"NAME[=VALUE]" help:"Let the gateway behave otherwise than assumed: ${deviations}."`
	Fault   []string `sep:"none" placeholder:"NAME[=COUNT]" help:"Inject a fault: ${faults}. Instead of a count, count=3&rate=0.2&delay=2s, and of some at=BYTE, speed=BYTES or function=ID."`
}

// config turns flags into what a cloud is made of.
func (f flags) config(log io.Writer) (config, error) {
	cfg := config{
		root: ".", template: f.Template, parameters: f.Parameter, policy: f.Policy, unguarded: f.Unguarded,
		listen: f.Listen, control: f.Control,
		data: f.Data, bootstraps: f.Bootstraps,
		dynamoDB: f.DynamoDB, s3: f.S3,
		variables: f.Environment, eventRetry: f.EventRetry, shards: f.Shards,
		s3AccessKey: cmp.Or(f.S3AccessKey, presetKey), s3SecretKey: cmp.Or(f.S3SecretKey, presetSecret),
		faults: newFaults(),
		log:    slog.New(slog.NewTextHandler(log, nil)),
		output: log,
	}
	if f.Quiet {
		cfg.output = nil
	}
	if err := checkLoopback(f.Control); err != nil {
		return cfg, err
	}
	if filepath.Base(f.Template) == "template.yaml" && f.Parameter["Access"] == "" {
		// Here all listens on loopback.
		cfg.parameters = map[string]string{"Access": "open"}
		if f.Policy != "" {
			cfg.parameters["Access"] = "policy"
		}
		maps.Copy(cfg.parameters, f.Parameter)
	}
	for _, text := range f.Deviate {
		name, value, _ := strings.Cut(text, "=")
		if err := cfg.deviations.Set(name, value); err != nil {
			return cfg, err
		}
	}
	for _, text := range f.Fault {
		if err := setFault(cfg.faults, text); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// setFault reads NAME, NAME=3 or NAME=count=3&rate=0.2.
func setFault(to *faults, text string) error {
	name, value, _ := strings.Cut(text, "=")
	if value != "" && !strings.Contains(value, "=") {
		value = "count=" + value
	}
	query, err := url.ParseQuery(value)
	if err != nil {
		return fmt.Errorf("fault %s: %w", name, err)
	}
	return to.set(name, query)
}

// checkLoopback refuses an address that others can reach: whoever reaches the
// control endpoint can break the registry.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address of the control endpoint: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("the control endpoint listens on loopback only, not on %q", host)
	}
	return nil
}

// helpVariables are what the help says of names that are declared elsewhere.
func helpVariables() map[string]string {
	return map[string]string{
		"deviations": strings.Join(httpapi.DeviationNames(), ", "),
		"faults":     strings.Join(faultNames, ", "),
	}
}
