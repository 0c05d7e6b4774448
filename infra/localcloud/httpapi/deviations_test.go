package httpapi_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

func TestDeviationsSet(t *testing.T) {
	var got httpapi.Deviations
	for name, value := range map[string]string{
		"remap-authenticate": "", "keep-content-length": "true", "empty-head": "", "decode-path": "1", "plus-is-space": "",
		"text-bodies": "", "raw-responses": "", "break-304": "", "break-204": "", "stage-prefix": "/prod",
		"max-request": "1", "max-response": "2", "max-headers": "3", "throttled-status": "429", "clock-skew": "-5m",
	} {
		if err := got.Set(name, value); err != nil {
			t.Error(err)
		}
	}
	want := httpapi.Deviations{
		RemapAuthenticate: true, KeepContentLength: true, EmptyHead: true, DecodePath: true, PlusIsSpace: true, TextBodies: true,
		RawResponses: true, Break304: true, Break204: true, StagePrefix: "/prod",
		MaxRequest: 1, MaxResponse: 2, MaxHeaders: 3, ThrottledStatus: 429, ClockSkew: -5 * time.Minute,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := got.Set("empty-head", "false"); err != nil || got.EmptyHead {
		t.Errorf("a switch can't be taken back: %v", err)
	}
}

// A field that has no name could not be flipped from outside.
func TestDeviationNames(t *testing.T) {
	fields := reflect.TypeFor[httpapi.Deviations]().NumField()
	if names := httpapi.DeviationNames(); len(names) != fields {
		t.Errorf("%d fields, %d names: %q", fields, len(names), names)
	}
	if err := new(httpapi.Deviations).Set("decode-paths", ""); err == nil || !strings.Contains(err.Error(), "decode-path,") {
		t.Errorf("an unknown name does not tell the known ones: %v", err)
	}
}

func TestDeviationsSetRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"empty-head", "maybe"}, {"max-request", ""}, {"max-request", "0"}, {"max-headers", "-1"}, {"max-response", "6MB"},
		{"clock-skew", "5"}, {"clock-skew", ""}, {"stage-prefix", ""}, {"stage-prefix", "prod"}, {"stage-prefix", "/prod/"},
		{"throttled-status", "999"}, {"", ""},
	} {
		var d httpapi.Deviations
		if err := d.Set(c[0], c[1]); err == nil {
			t.Errorf("%s=%s: no error", c[0], c[1])
		}
		if d != (httpapi.Deviations{}) {
			t.Errorf("%s=%s was refused and yet set: %+v", c[0], c[1], d)
		}
	}
}
