package main

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	bloblocal "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/local"
)

func TestPriceFile(t *testing.T) {
	p, err := readPrices("../../prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, price := range []float64{
		p.HTTPAPIMillion, p.LambdaMillion, p.LambdaGBSecond, p.TableReadMillion, p.TableWriteMillion, p.TableGBMonth,
		p.TableBackupGBMonth, p.S3WriteThousand, p.S3ReadThousand, p.S3GBMonth, p.LogsGB, p.ECRGBMonth, p.EventsMillion,
		p.Assumed.MemoryMB, p.Assumed.RequestMS, p.Assumed.TableReadMS, p.Assumed.TableWriteMS, p.Assumed.S3MS,
		p.Assumed.S3MBPerS, p.Assumed.LogBytes, p.Assumed.CopyMBPerS, p.Assumed.CopyMemoryMB,
	} {
		if price <= 0 {
			t.Errorf("a price is missing or not positive in %+v", p)
		}
	}
}

func TestPriceOfABill(t *testing.T) {
	p := prices{
		HTTPAPIMillion: 1, LambdaMillion: 0.2, LambdaGBSecond: 0.00001, TableReadMillion: 0.125, TableWriteMillion: 0.625,
		S3WriteThousand: 0.005, S3ReadThousand: 0.0004, LogsGB: 0.5, EventsMillion: 1,
		Assumed: assumptions{MemoryMB: 512, RequestMS: 2, TableReadMS: 4, TableWriteMS: 10, S3MS: 40, S3MBPerS: 50, LogBytes: 1000, CopyMBPerS: 100, CopyMemoryMB: 1024},
	}
	one := bill{gateway: 2, invocations: 1, reads: 1, writes: 1, readUnits: 3, writeUnits: 4, s3Calls: 1, s3Bytes: 5e6, s3Reads: 1, s3Writes: 2, copied: 2e8, told: 3}
	// 2+4+10+40 ms and 100 ms of bytes, half a GB of memory; 2 s of waiting, a GB.
	want := 2*1.0 + 0.2 + 0.156*0.5*10 + 2*10 + 3*0.125 + 4*0.625 + 0.4 + 2*5 + 0.5 + 3
	if got := p.of(one.times(1e6)); math.Abs(got-want) > 1e-9 {
		t.Errorf("a million cost %v, want %v", got, want)
	}
	if two := one.plus(one); two != one.times(2) {
		t.Errorf("one and one is %+v", two)
	}
}

func TestWhatS3Bills(t *testing.T) {
	for _, tt := range []struct {
		method, query string
		want          bill
	}{
		{"GET", "", bill{s3Reads: 1}},
		{"HEAD", "", bill{s3Reads: 1}},
		{"GET", "list-type=2", bill{s3Writes: 1}},
		{"GET", "uploads", bill{s3Writes: 1}},
		{"GET", "uploadId=x", bill{s3Writes: 1}},
		{"PUT", "partNumber=1", bill{s3Writes: 1}},
		{"POST", "uploads", bill{s3Writes: 1}},
		{"DELETE", "", bill{}},
	} {
		query, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		var got bill
		if countS3(&got, tt.method, query); got != tt.want {
			t.Errorf("%s %s: got %+v, want %+v", tt.method, tt.query, got, tt.want)
		}
	}
}

// located is a store with URLs; that a client is sent there is all that counts.
type located struct{ blobs.Store }

func (located) ReadURL(_ context.Context, key, _ string, _ time.Duration) (string, error) {
	return "https://store.test/" + key, nil
}

func (located) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, errors.New("nobody writes here")
}

// What the budget of the registry says of calls must come out as units here.
func TestCount(t *testing.T) {
	items, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer items.Close()
	files, err := bloblocal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var m meter
	reg := registry.New(meteredTable{items, &m}, located{files}, registry.Options{})
	got, err := client{meter: &m, handler: distribution.New(reg, distribution.Options{Door: door})}.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.byDigest.readUnits != 1 || got.byDigest.reads != 1 || got.byDigest.writeUnits != 0 || got.byDigest.gateway != 1 {
		t.Errorf("GET by digest: %+v, want one request and one unit", got.byDigest)
	}
	if got.byTag.readUnits != 2 {
		t.Errorf("GET by tag: %+v, want two units", got.byTag)
	}
	if got.blob.s3Reads != 1 || got.blob.gateway != 1 {
		t.Errorf("GET of a layer: %+v, want a redirect", got.blob)
	}
	login, err := countLogin(t.Context(), meteredTable{items, &m}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if login.gateway != 2 || login.invocations != 2 || login.reads > 2 || login.writes != 0 {
		t.Errorf("login: %+v, want a ping and a token, reads of the robot and of failures, and no write", login)
	}
	event, err := countEvent(t.Context(), meteredTable{items, &m})
	if err != nil {
		t.Fatal(err)
	}
	if event.told != 1 || event.invocations != 1 || event.gateway != 0 || event.reads > 3 || event.writes != 1 {
		t.Errorf("an event: %+v, want one on the bus, three reads at most and one write of the log", event)
	}
	if got.push.gateway < 3*10*2 || got.push.writeUnits < 2*5 {
		t.Errorf("push: %+v, want thirty megabytes in steps of 512 KB, and writes", got.push)
	}
}

// A layer of forty megabytes is three parts, signed for at once or one by one,
// and verified by an invocation that no gateway saw.
func TestCountDirect(t *testing.T) {
	items, err := local.Open(filepath.Join(t.TempDir(), "table.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer items.Close()
	server := httptest.NewUnstartedServer(nil)
	store := blobstest.NewMemory(blobstest.MemoryOptions{Base: "http://" + server.Listener.Addr().String()})
	server.Config.Handler = store
	server.Start()
	t.Cleanup(server.Close)
	var m meter
	const size = 40 << 20
	got, err := countDirect(t.Context(), &m, meteredTable{items, &m}, store, size)
	if err != nil {
		t.Fatal(err)
	}
	if got.s3Writes != 3 || got.copied != size || got.invocations != got.gateway+1 || got.gateway < 4 || got.gateway > 8 {
		t.Errorf("got %+v, want three parts, one verification, and begin, sign, complete and status", got)
	}
}
