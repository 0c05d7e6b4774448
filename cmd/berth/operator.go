package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/announce/webhook"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// An operator is whoever has the table itself, and so may do all that can be
// done with it. They are the gate of a desk that runs in this process.
type operator struct{ session *access.Session }

var _ desk.Gate = operator{}

func newOperator() (operator, error) {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return letIn(access.Principal{Kind: "operator", Name: name})
}

// letIn returns a gate that lets everybody administer, as somebody.
func letIn(who access.Principal) (operator, error) {
	policy := &access.Policy{Rules: []access.Rule{{
		Name: "who has the table", Whom: access.Whom{Names: []string{"authenticated"}}, Actions: []access.Action{access.Admin},
	}}}
	if err := policy.Compile(); err != nil {
		return operator{}, fmt.Errorf("let the operator in: %w", err)
	}
	return operator{&access.Session{Principal: who, Policy: policy}}, nil
}

func (o operator) Admit(*http.Request) (*access.Session, error) { return o.session, nil }

// Challenge is never asked: whoever is here is let in.
func (o operator) Challenge(*http.Request, string, error) string { return "" }

// openTable opens a desk on a table on AWS, as the SDK's own settings say.
func openTable(ctx context.Context, name string, t terminal) (*office, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	log := logTo(t)
	l := ledger.New(dynamo.New(dynamodb.NewFromConfig(cfg), nil, name, log), ledger.Options{Log: log})
	// The desk would call a slip of the operator's an internal error.
	if _, err := l.Policy(ctx); err != nil && !errors.Is(err, ledger.ErrAbsent) {
		return nil, fmt.Errorf("open the table %s: %w", name, err)
	}
	return operate(desk.Options{Ledger: l, Log: log})
}

// openFolder opens a desk on the data folder of a berth serve that has ended.
// A folder that is not there is a slip, and not made.
func openFolder(folder string, t terminal) (*office, error) {
	if _, err := os.Stat(filepath.Join(folder, tableFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the data folder of a berth serve", folder)
	}
	log := logTo(t)
	d, err := openData(folder, log)
	if err != nil {
		return nil, err
	}
	l := ledger.New(d.table, ledger.Options{Log: log})
	post, err := webhook.Open(context.Background(), webhook.Options{Table: d.table, Idle: true, Log: log})
	if err != nil {
		return nil, errors.Join(err, d.table.Close())
	}
	o, err := operate(desk.Options{
		Ledger: l, Keys: vault.Open(vault.File(d.keys()), l.PublishKeys, nil), Post: letterDesk{post: post}, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, d.table.Close())
	}
	o.close = d.table.Close
	return o, nil
}

func operate(o desk.Options) (*office, error) {
	who, err := newOperator()
	if err != nil {
		return nil, err
	}
	o.Gate = who
	return &office{url: "http://in.this.process", client: within{desk.New(o)}, close: func() error { return nil }}, nil
}

// logTo shows what goes wrong, and not what is done: the command says that.
func logTo(t terminal) *slog.Logger {
	return slog.New(graver{slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: slog.LevelWarn})})
}

// within carries requests to a handler in this process.
type within struct{ handler http.Handler }

func (w within) Do(r *http.Request) (*http.Response, error) {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	w.handler.ServeHTTP(a, r)
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Body: io.NopCloser(&a.body), Request: r,
	}, nil
}

// An answer is what a handler writes, kept.
type answer struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.wrote = true
	return a.body.Write(p)
}

// A graver handler also leaves out the audit, which is written at any level:
// whoever types a command sees what becomes of it.
type graver struct{ slog.Handler }

// Handle implements slog.Handler.
func (h graver) Handle(ctx context.Context, line slog.Record) error {
	if !h.Enabled(ctx, line.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, line)
}
